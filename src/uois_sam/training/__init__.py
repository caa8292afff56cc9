"""Training of the compact model and of HPG and HDNet: targets, losses, views, fits, driver (extra ``train``)."""

"""Training: targets, losses, views, and the fits of the compact model, HPG and HDNet (extra ``train``)."""

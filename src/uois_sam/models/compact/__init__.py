"""The compact model: one small encoder, a mask decoder and a mask scorer."""

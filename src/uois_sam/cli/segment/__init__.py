"""``uois-sam segment``: find inputs, run the model on them, write results."""

"""A machine that lends its enclaves to a fabric whose gateway runs elsewhere."""

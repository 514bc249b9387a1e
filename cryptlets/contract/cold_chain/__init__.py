"""Cold chain: judges a refrigerated shipment from the file of its temperature logger."""

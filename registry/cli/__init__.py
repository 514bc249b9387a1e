"""Commands of the marketplace, mounted into ``cryptlet`` by entry point. Nothing heavy is imported early."""

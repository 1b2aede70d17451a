"""Package indexes and other places that hold distributions: addresses, credentials, transfer."""

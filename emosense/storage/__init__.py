"""Reading and writing bytes: local files, object storage, HTTP, archives."""

"""Where bytes lie: files, objects, HTTP, archives."""

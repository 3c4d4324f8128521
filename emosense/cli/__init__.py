"""Arguments -> one job."""

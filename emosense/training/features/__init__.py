"""Features to train on: recordings -> feature tables, each recording extracted once."""

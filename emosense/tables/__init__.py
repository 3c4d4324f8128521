"""Rows on disk. Importing this package registers the output formats that ship with EmoSense."""

from emosense.tables import writers, data_set, exports, audformat  # noqa: F401, I001 - they register their formats, in the order of help

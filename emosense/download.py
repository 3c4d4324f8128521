"""A published corpus -> its folder: archives are fetched, checked by hash, and unpacked.

What a stopped download has is kept in a hidden folder of the corpus, and the next one goes on from there: a part is
continued by an HTTP range, a whole archive is unpacked further, and one that was unpacked leaves a receipt.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from typing import Final

from emosense import http_transfer
from emosense.archives import Member, make_real_folder, unpack
from emosense.errors import OutputError, StorageError, UsageError
from emosense.http_transfer import Address, PassingFault
from emosense.progress import Progress
from emosense.storage import is_url, make_folder, redact, remove, write_bytes

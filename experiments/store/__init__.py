"""Results on disk: declared tables, atomic writing, checked reading."""

from experiments.store.columns import Column, Table
from experiments.store.folder import FolderError, content_digest, read_manifest, read_table
from experiments.store.tables import TABLES

__all__ = ["TABLES", "Column", "FolderError", "Table", "content_digest", "read_manifest", "read_table"]

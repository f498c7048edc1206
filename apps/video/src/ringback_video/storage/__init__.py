"""Where uploads and finished videos are kept: one seam, a folder or an S3-compatible store behind it."""

from ringback_video.storage.contract import Storage, StorageUnavailable
from ringback_video.storage.folder import FolderStorage

__all__ = ["FolderStorage", "Storage", "StorageUnavailable"]

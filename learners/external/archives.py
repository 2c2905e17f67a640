"""Untrusted zip archives, as torch writes them: every member judged by the directory before it is read."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from vestige.learners.errors import DataError
from vestige.learners.files.untrusted import readable, shown

MOST_MEMBERS = 200_000
MOST_PACKED = 64 * 2**20
"""Bytes that all compressed members together may unpack to. torch compresses program texts alone."""

_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class Archive:
    """The members of a zip file whose names lie in one folder; names are given without that folder."""

    _file: zipfile.ZipFile
    _members: Mapping[str, zipfile.ZipInfo]

    @property
    def names(self) -> tuple[str, ...]:
        """Of all members, in the order of the archive."""
        return tuple(self._members)

    def size(self, name: str) -> int:
        """Bytes of a member once unpacked; -1 where there is none of this name."""
        member = self._members.get(name)
        return -1 if member is None else member.file_size

    def read(self, name: str) -> bytes:
        """A member whose checksum holds. Raises DataError for one that is missing or damaged."""
        if name not in self._members:
            raise DataError(f"expected {shown(name)} in the archive, got none; save the model again")
        with readable(f"a whole archive with {shown(name)}", "copy the file again", *_DAMAGED):
            return self._file.read(self._members[name])


def open_archive(content: bytes) -> Archive:
    """The archive whose bytes are ``content``.

    Refused (DataError): damaged directories, names that are repeated or lead out of the archive's folder, encrypted
    members, stored members that claim more bytes than the file has, compressed ones beyond ``MOST_PACKED``.
    """
    with readable("a whole zip archive", "copy the file again", *_DAMAGED):
        file = zipfile.ZipFile(io.BytesIO(content))
    if not all(info.filename for info in file.infolist()):  # zipfile itself fails on such
        raise DataError("expected a name for each member of the archive, got one without; copy the file again")
    infos = [info for info in file.infolist() if not info.is_dir()]
    if not 0 < len(infos) <= MOST_MEMBERS:
        raise DataError(f"expected an archive of 1 to {MOST_MEMBERS} members, got {len(infos)}")
    stored = packed = 0
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"expected plain members as torch writes them, {shown(info.filename)} is packed otherwise")
        if info.compress_type == zipfile.ZIP_STORED:
            stored += info.file_size
        else:
            packed += info.file_size
        if info.filename in members:
            raise DataError(f"expected each member once, got {shown(info.filename)} twice; save the model again")
        members[info.filename] = info
    if stored > len(content) or packed > MOST_PACKED:
        raise DataError(
            f"expected members that fit the file, got {stored:,} bytes claimed in a file of {len(content):,} and "
            f"{packed:,} to unpack (at most {MOST_PACKED:,}); save the model again"
        )
    return Archive(file, _without_folder(members))


def _without_folder(members: Mapping[str, zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    inside: dict[str, zipfile.ZipInfo] = {}
    folders = set()
    for name, info in members.items():
        steps = name.split("/")
        if "\\" in name or not name.isprintable() or {"", ".", ".."} & set(steps):
            raise DataError(f"expected plain member names, got {shown(name)}; save the model again")
        folders.add(steps[0])
        inside["/".join(steps[1:]) or name] = info
    if len(folders) > 1:  # not written by torch: names as they are, so that the kind can be recognised
        return dict(members)
    return inside

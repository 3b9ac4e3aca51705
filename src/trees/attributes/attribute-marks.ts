// Attributes in which other programs keep owners, modes and types. A tree with them looks different to those programs
// than to umlcow.

const mapped = "owners, modes and types of QEMU's 9p server (security_model=mapped-xattr): --from 9p reads them"

const marks: readonly (readonly [start: string, meaning: string])[] = [
  ['user.virtfs.uid', mapped],
  ['user.virtfs.mode', mapped],
  [
    'user.rsync.%',
    'owners, modes, types and ACLs that rsync stored with --fake-super: copy the tree with rsync as root',
  ],
  ['user.containers.override_stat', 'owners and modes of rootless containers: export the container to tar'],
  ['user.fuseoverlayfs.', 'owners and deletions of fuse-overlayfs: read the mounted tree instead of its layer'],
  ['user.rootlesscontainers', 'owners of rootless containers: export the container to tar'],
  ['user.overlay.', 'deletions and links of overlayfs: read the mounted tree instead of its layer'],
  ['trusted.overlay.', 'deletions and links of overlayfs: read the mounted tree instead of its layer'],
]

/** Find what an attribute means to another program; null for most attributes. */
export function meaningOf(attribute: string): string | null {
  return marks.find(([start]) => attribute.startsWith(start))?.[1] ?? null
}

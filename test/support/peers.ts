import { accessSync, constants } from 'node:fs'

/** Programs that tests compare with, by absolute path, and the Debian package each comes from. */
export const peers = {
  '/usr/bin/uml_moo': 'uml-utilities',
  '/usr/bin/uml_mkcow': 'uml-utilities',
  '/usr/bin/humfsify': 'uml-utilities',
  '/usr/bin/linux.uml': 'user-mode-linux',
  '/usr/bin/bash': 'bash',
  '/usr/bin/zsh': 'zsh',
  '/usr/bin/fish': 'fish',
  '/usr/bin/busybox': 'busybox-static',
  '/usr/bin/python3': 'python3-minimal',
  '/usr/bin/qemu-img': 'qemu-utils',
  '/usr/bin/qemu-io': 'qemu-utils',
  '/usr/sbin/mkfs.ext4': 'e2fsprogs',
  '/usr/sbin/e2fsck': 'e2fsprogs',
  '/usr/sbin/mke2fs': 'e2fsprogs',
  '/usr/sbin/debugfs': 'e2fsprogs',
  '/usr/sbin/dumpe2fs': 'e2fsprogs',
  '/usr/bin/file': 'file',
  '/usr/bin/bmaptool': 'bmap-tools',
  '/usr/bin/cp': 'coreutils',
  '/usr/bin/ls': 'coreutils',
  '/usr/bin/touch': 'coreutils',
  '/usr/bin/tar': 'tar',
  '/usr/bin/lz4': 'lz4',
  '/usr/bin/gzip': 'gzip',
  '/usr/bin/zstd': 'zstd',
  '/usr/bin/bsdtar': 'libarchive-tools',
  '/usr/bin/cpio': 'cpio',
  '/usr/bin/mtree': 'mtree-netbsd',
  '/usr/bin/fakeroot': 'fakeroot',
  '/usr/bin/mksquashfs': 'squashfs-tools',
  '/usr/bin/unsquashfs': 'squashfs-tools',
  '/usr/sbin/filefrag': 'e2fsprogs',
  '/usr/sbin/mkfs.btrfs': 'btrfs-progs',
  '/usr/sbin/mkfs.vfat': 'dosfstools',
  '/usr/sbin/mkswap': 'util-linux',
  '/usr/sbin/blkid': 'util-linux',
  '/usr/sbin/sfdisk': 'fdisk',
  '/usr/bin/eatmydata': 'eatmydata',
  '/usr/bin/getfattr': 'attr',
  '/usr/bin/setfattr': 'attr',
  '/usr/bin/setfacl': 'acl',
  '/usr/sbin/setcap': 'libcap2-bin',
} as const

export type Peer = keyof typeof peers

function isThere(peer: Peer): boolean {
  try {
    accessSync(peer, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * True when all these programs are there. In CI a missing one is a failure; elsewhere the tests that need it are
 * skipped, and say so.
 */
export function havePeers(...needed: Peer[]): boolean {
  const missing = needed.filter((peer) => !isThere(peer))
  if (missing.length === 0) return true
  const names = missing.map((peer) => `${peer} (Debian: ${peers[peer]})`).join(', ')
  if (process.env['CI'] === 'true') throw new Error(`missing in CI: ${names}`)
  console.warn(`SKIPPED: tests that need ${names}`)
  return false
}

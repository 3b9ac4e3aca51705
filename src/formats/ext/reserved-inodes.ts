/** Inodes with a fixed number.  Source: Linux Documentation/filesystems/ext4/special_inodes.rst */
export const extReservedInodes = {
  badBlocks: 1,
  root: 2,
  resize: 7,
} as const

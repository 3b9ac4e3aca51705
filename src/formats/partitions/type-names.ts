// Names for the types of partitions that images of Linux have. Any other type is shown as its number.
// Sources: UAPI Group, Discoverable Partitions Specification; UEFI Specification 2.10, 5.3.3; Linux block/partitions

const mbrTypes: Readonly<Record<number, string>> = {
  1: 'FAT12',
  4: 'FAT16',
  5: 'extended',
  6: 'FAT16',
  7: 'NTFS or exFAT',
  11: 'FAT32',
  12: 'FAT32',
  14: 'FAT16',
  15: 'extended',
  130: 'Linux swap',
  131: 'Linux',
  133: 'extended',
  142: 'Linux LVM',
  238: 'GPT',
  239: 'EFI system',
  253: 'Linux RAID',
}

const gptTypes: Readonly<Record<string, string>> = {
  '0fc63daf-8483-4772-8e79-3d69d8477de4': 'Linux',
  '0657fd6d-a4ab-43c4-84e5-0933c84b4f4f': 'Linux swap',
  '44479540-f297-41b2-9af7-d131d5f0458a': 'Linux root (x86)',
  '4f68bce3-e8cd-4db1-96e7-fbcaf984b709': 'Linux root (x86-64)',
  'b921b045-1df0-41c3-af44-4c6f280d3fae': 'Linux root (ARM64)',
  '933ac7e1-2eb4-4f13-b844-0e14e2aef915': 'Linux home',
  'bc13c2ff-59e6-4262-a352-b275fd6f7172': 'Linux boot',
  'e6d6d379-f507-44c2-a23c-238f2a3df928': 'Linux LVM',
  'a19d880f-05fc-4d3b-a006-743f0f84911e': 'Linux RAID',
  'ca7d7ccb-63ed-4c53-861c-1742536059cc': 'LUKS',
  'c12a7328-f81f-11d2-ba4b-00a0c93ec93b': 'EFI system',
  '21686148-6449-6e6f-744e-656564454649': 'BIOS boot',
  'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7': 'basic data',
}

/** Name a type of the master boot record; null for one that umlcow has no name for. */
export function mbrTypeName(type: number): string | null {
  return mbrTypes[type] ?? null
}

/** Name a type of a GUID partition table. */
export function gptTypeName(type: string): string | null {
  return gptTypes[type] ?? null
}

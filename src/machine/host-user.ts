/** Whose rights this process has on the host; root, where the host knows no users. */
export interface HostUser {
  readonly uid: number
  readonly gid: number
  /** The groups that the user may give own files to without being root: `gid` and all others. */
  readonly groups: readonly number[]
  /** Bits that the host takes from the mode of a file that this process makes. */
  readonly umask: number
}

export function hostUser(): HostUser {
  const gid = process.getegid?.() ?? 0
  return {
    uid: process.geteuid?.() ?? 0,
    gid,
    groups: [gid, ...(process.getgroups?.() ?? [])],
    umask: process.umask(),
  }
}

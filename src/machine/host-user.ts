/** The user whose rights this process has; root where the host has no users. */
export interface HostUser {
  readonly uid: number
  readonly gid: number
  /** The groups that the user may give own files to without being root: `gid` and all others. */
  readonly groups: readonly number[]
  /** Bits that the host clears in the mode of each file that this process makes. */
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

/** The groups that one may give one's own files to without being root. */
export function ownGroups(): readonly number[] {
  return [process.getegid?.() ?? 0, ...(process.getgroups?.() ?? [])]
}

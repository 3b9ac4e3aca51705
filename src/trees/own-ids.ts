/** Whose rights we have; 0, root, where the host knows no users. */
export function effectiveUser(): number {
  return process.geteuid?.() ?? 0
}

/** The groups that one may give one's own files to without being root. */
export function ownGroups(): readonly number[] {
  return [process.getegid?.() ?? 0, ...(process.getgroups?.() ?? [])]
}

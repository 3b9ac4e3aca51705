/** Actions of `humfs` that share its options. */
export const plainHumfsActions = ['restore', 'info', 'check'] as const

/** Actions of `humfs` with options of their own. */
export const ownHumfsActions = ['export', 'import'] as const

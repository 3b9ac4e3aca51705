import type { FileSystemState } from '../../formats/ext/index.js'

const stateTexts: Record<FileSystemState, string> = {
  clean: 'clean',
  mounted: 'was not unmounted',
  'needs-recovery': 'needs recovery',
  errors: 'has errors',
}

/** Name a file system by its type, its label and UUID if it has them, and its state: the words of "info" and "df". */
export function fileSystemWords(
  type: string,
  state: readonly FileSystemState[],
  names: readonly string[] = [],
): string {
  return [type, ...names, ...state.map((one) => stateTexts[one])].join(', ')
}

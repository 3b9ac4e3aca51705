import { escapeText, printablePath } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import type { FileSystemFacts } from '../../formats/recognise/file-systems/index.js'
import type { ContentsInfo, PartitionInfo } from '../../verbs/info-contents.js'
import { jsonPath } from './backing.js'
import { fileSystemWords } from './file-system-words.js'

// What lies inside an image, by "info".  Schema: docs/schema/info.json

/** The key "contents"; none when there is nothing to say. */
export function contentsKeys(contents: ContentsInfo | null): Record<string, unknown> {
  if (contents === null) return {}
  const { fileSystem, table, problem } = contents
  if (fileSystem === null && table === null && problem === null) return {}
  return {
    contents: {
      'file-system': fileSystemKeys(fileSystem),
      'partition-table':
        table === null
          ? null
          : {
              type: table.kind,
              'sector-size': table.sectorSize,
              uuid: table.uuid,
              problems: table.findings,
              partitions: table.partitions.map(partitionKeys),
            },
      problem,
    },
  }
}

function fileSystemKeys(fileSystem: FileSystemFacts | null): Record<string, unknown> | null {
  if (fileSystem === null) return null
  const { type, label, uuid, state, problem } = fileSystem
  return { type, label: label === null ? null : jsonPath(label), uuid, state, problem }
}

function partitionKeys(partition: PartitionInfo): Record<string, unknown> {
  const { number, start, length, type, typeName, name, uuid, isBootable, isExtended, fileSystem } = partition
  return {
    number,
    start,
    size: length,
    type,
    'type-name': typeName,
    name,
    uuid,
    bootable: isBootable,
    extended: isExtended,
    'file-system': fileSystemKeys(fileSystem),
  }
}

function fileSystemText({ type, label, uuid, state, problem }: FileSystemFacts): string {
  const names: string[] = []
  if (label !== null) names.push(`label "${printablePath(label)}"`)
  if (uuid !== null) names.push(`UUID ${escapeText(uuid)}`)
  const words = fileSystemWords(type, state ?? [], names)
  return problem === null ? words : `${words}, ${escapeText(problem)}`
}

export function contentsLines(contents: ContentsInfo | null): string[] {
  if (contents === null) return []
  const { fileSystem, table, problem } = contents
  const lines: string[] = []
  if (fileSystem !== null) lines.push(`file system: ${fileSystemText(fileSystem)}`)
  if (table !== null) {
    const uuid = table.uuid === null ? '' : `, UUID ${table.uuid}`
    lines.push(`partition table: ${table.kind}, sectors of ${table.sectorSize} bytes${uuid}`)
    for (const finding of table.findings) lines.push(`    ${escapeText(finding)}`)
    lines.push(...table.partitions.map(partitionLine))
  }
  if (problem !== null) lines.push(`file systems: cannot be read: ${escapeText(problem)}`)
  return lines
}

function partitionLine({ number, start, length, type, typeName, name, isExtended, fileSystem }: PartitionInfo): string {
  const title = name === null ? '' : ` "${escapeText(name)}"`
  const place = `${formatSize(length)} at ${formatSize(start)}, ${typeName ?? `type ${type}`}${title}`
  const content =
    fileSystem === null ? (isExtended ? '' : ': nothing that umlcow knows') : `: ${fileSystemText(fileSystem)}`
  return `    ${number}: ${place}${content}`
}

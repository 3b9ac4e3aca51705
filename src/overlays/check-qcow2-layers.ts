import { UmlcowError } from '../errors.js'
import { checkQcow2 } from '../images/qcow2/check/check-qcow2.js'
import type { Qcow2FindingCode, Qcow2Report } from '../images/qcow2/check/report.js'
import { type Finding, type ForceWord, refuseUnlessForced } from '../machine/findings.js'
import { isSameFile } from '../machine/host-files.js'
import { shellQuote } from '../machine/shell-quote.js'
import { layerOf, type ProbedFile } from './open.js'

/** What checks of the qcow2 images among some files found. */
export interface CheckedLayers {
  /** Of each qcow2 image, in the order of the files. */
  readonly reports: readonly Qcow2Report[]
  readonly warnings: readonly string[]
}

/** Refcounts say where to write. They are late in an image that is marked dirty, and a reader does not need them. */
const refcountCodes: readonly Qcow2FindingCode[] = ['QCOW2_REFCOUNT', 'QCOW2_COPIED']

/**
 * Check the tables of all qcow2 images among the files, before their content is read. Without a check, a damaged table
 * gives wrong bytes that look right.
 *
 * A leak may be the only trace of a table entry that was lost. In an image that is marked dirty, leaks and wrong refcounts
 * are ordinary: they give a warning.
 *
 * @param files  layers of an image; a file that comes twice is checked once
 * @throws       UmlcowError QCOW2_DAMAGED, QCOW2_LEAKS without the force word `leaks`, INTERRUPTED
 */
export async function checkQcow2Layers(
  files: readonly ProbedFile[],
  { force, signal }: { readonly force?: readonly ForceWord[] | undefined; readonly signal?: AbortSignal | undefined },
): Promise<CheckedLayers> {
  const reports: Qcow2Report[] = []
  const leaks: Finding[] = []
  const warnings: string[] = []
  for (const file of files.filter(isFirstQcow2)) {
    const { dirty, corrupt } = layerOf(file).qcow2!
    const report = await checkQcow2(file.store, layerOf(file).qcow2!, signal)
    reports.push(report)
    refuseDamage(file, report, { dirty, corrupt })
    if (report.counts.waste > 0 && !dirty) leaks.push(leakFinding(file, report))
    else warnings.push(...warningsFor(file, report))
  }
  refuseUnlessForced(leaks, force)
  return { reports, warnings: [...leaks.map(({ message }) => message), ...warnings] }
}

function isFirstQcow2(file: ProbedFile, index: number, files: readonly ProbedFile[]): boolean {
  return file.format === 'qcow2' && files.findIndex(({ facts }) => isSameFile(facts, file.facts)) === index
}

/** @throws UmlcowError QCOW2_DAMAGED */
function refuseDamage(
  file: ProbedFile,
  { findings }: Qcow2Report,
  { dirty, corrupt }: { readonly dirty: boolean; readonly corrupt: boolean },
): void {
  const damage = findings.find(
    ({ severity, code }) => severity === 'damage' && !(dirty && refcountCodes.includes(code)),
  )
  if (damage === undefined && !corrupt) return
  const message = damage?.message ?? `${file.store.name}: a program found damage and marked the image as corrupt`
  throw new UmlcowError('QCOW2_DAMAGED', message, {
    hint: `umlcow check ${shellQuote(file.path)}\n"qemu-img check -r all" on a copy may repair it`,
  })
}

function leakFinding({ path, store }: ProbedFile, { counts }: Qcow2Report): Finding {
  return {
    code: 'QCOW2_LEAKS',
    message:
      `${store.name}: ${clusters(counts.waste)} leaked: nothing uses them, though the image counts a user; ` +
      'they may be data whose table entry was lost',
    force: 'leaks',
    hint: `if nothing is lost: "qemu-img check -r leaks ${shellQuote(path)}" frees them`,
  }
}

function warningsFor({ store }: ProbedFile, { findings, counts }: Qcow2Report): string[] {
  const uncounted = findings.filter(({ severity }) => severity === 'unknown').map(({ message }) => message)
  if (counts.damage + counts.waste === 0) return uncounted
  const dirty =
    `${store.name}: is marked dirty, and has ${counts.damage} wrong refcounts and ${clusters(counts.waste)} leaked; ` +
    'this is usual after a program with lazy refcounts has died, but may also be damage'
  return [dirty, ...uncounted]
}

function clusters(count: number): string {
  return count === 1 ? '1 cluster' : `${count} clusters`
}

import { toolVerbs } from './uml-utilities.js'
import type { Verb } from './verb.js'
import type { VerbGroup } from './verb-groups.js'

const withRepair: Verb['writes'] = ({ repair }) => repair === true
const withPictureFile: Verb['writes'] = ({ svg, png }) => svg !== undefined || png !== undefined

/** The actions of `humfs` that have options of their own. The others are in its own file. */
const humfsActions: readonly Verb[] = [
  {
    name: 'export',
    summary: 'write a tree as an archive with its true owners',
    writes: true,
    dash: 'output',
    load: async () => (await import('./commands/humfs-export.js')).configureHumfsExport,
  },
  {
    name: 'import',
    summary: 'make a humfs tree from an archive',
    writes: true,
    dash: 'input',
    load: async () => (await import('./commands/humfs-import.js')).configureHumfsImport,
  },
]

const plainHumfsActions = ['restore', 'info', 'check']
const allHumfsActions = [...plainHumfsActions, ...humfsActions.map(({ name }) => name)]

/** All verbs, in the order of the help. */
export const verbGroups: readonly VerbGroup[] = [
  {
    title: 'Look at images',
    verbs: [
      {
        name: 'info',
        summary: 'show the header, the backing file, who has the file open and how much is allocated',
        writes: false,
        dash: 'file',
        load: async () => (await import('./commands/info.js')).configureInfo,
      },
      {
        name: 'map',
        summary: 'show which file supplies which bytes',
        writes: withPictureFile,
        load: async () => (await import('./commands/map.js')).configureMap,
      },
      {
        name: 'check',
        summary: 'find damage in overlays and repair what can be repaired safely',
        writes: withRepair,
        load: async () => (await import('./commands/check.js')).configureCheck,
      },
    ],
  },
  {
    title: 'Look into file systems',
    verbs: [
      {
        name: 'ls',
        summary: 'list files inside an image or overlay, without root and without a mount',
        writes: false,
        load: async () => (await import('./commands/files/ls.js')).configureLs,
      },
      {
        name: 'cat',
        summary: 'print the content of files inside an image',
        writes: false,
        load: async () => (await import('./commands/files/cat.js')).configureCat,
      },
      {
        name: 'stat',
        summary: 'show all that the file system of an image says about files',
        writes: false,
        load: async () => (await import('./commands/files/stat.js')).configureStat,
      },
      {
        name: 'df',
        summary: 'show how full the file system of an image is, its label, state and features',
        writes: false,
        load: async () => (await import('./commands/files/df.js')).configureDf,
      },
      {
        name: 'diff',
        summary: 'show the files that an overlay changed, or that differ between two images',
        writes: false,
        failedStatus: 2,
        load: async () => (await import('./commands/files/diff.js')).configureDiff,
      },
      {
        name: 'tar',
        summary: 'write files of an image as a tar archive, with their true owners',
        writes: true,
        dash: '--file',
        load: async () => (await import('./commands/files/tar.js')).configureTar,
      },
      {
        name: 'extract',
        summary: 'copy files of an image to a directory, or into an archive',
        writes: true,
        dash: '--file',
        load: async () => (await import('./commands/files/extract.js')).configureExtract,
      },
    ],
  },
  {
    title: 'Make images',
    verbs: [
      {
        name: 'create',
        summary: 'make an empty overlay on a backing file, or a raw image with holes',
        writes: true,
        dash: '--from',
        load: async () => (await import('./commands/create.js')).configureCreate,
      },
      {
        name: 'reset',
        summary: 'empty an overlay and lose all its changes',
        writes: true,
        load: async () => (await import('./commands/reset.js')).configureReset,
      },
    ],
  },
  {
    title: 'Move data',
    verbs: [
      {
        name: 'merge',
        summary: 'merge an overlay into a new image, or into its backing file',
        writes: true,
        dash: 'target',
        load: async () => (await import('./commands/merge.js')).configureMerge,
      },
      {
        name: 'commit',
        summary: 'merge an overlay into its backing file, then empty the overlay',
        writes: true,
        load: async () => (await import('./commands/commit.js')).configureCommit,
      },
      {
        name: 'convert',
        summary: 'copy an image into a new one: raw, COW or qcow2, with its backing file or without',
        writes: true,
        dash: ['in', 'out'],
        load: async () => (await import('./commands/convert.js')).configureConvert,
      },
      {
        name: 'compact',
        summary: 'drop what the backing file has, too, and make holes of zeros',
        writes: true,
        load: async () => (await import('./commands/compact.js')).configureCompact,
      },
      {
        name: 'rebase',
        summary: 'change the path of the backing file in the header of an overlay',
        writes: true,
        load: async () => (await import('./commands/rebase.js')).configureRebase,
      },
      {
        name: 'copy',
        summary: 'copy images and overlays with their holes',
        writes: true,
        load: async () => (await import('./commands/copy.js')).configureCopy,
      },
      {
        name: 'pack',
        summary: 'pack overlays with their backing files into one compressed file that keeps holes',
        writes: true,
        dash: 'out',
        load: async () => (await import('./commands/pack.js')).configurePack,
      },
      {
        name: 'unpack',
        summary: 'take a pack apart, so that a guest boots what it holds at once',
        writes: ({ list, verify }) => list !== true && verify !== true,
        dash: 'pack',
        load: async () => (await import('./commands/unpack.js')).configureUnpack,
      },
    ],
  },
  {
    title: 'Work with humfs trees',
    verbs: [
      {
        name: 'humfsify',
        summary: 'make a humfs tree of a directory, or undo that',
        writes: true,
        load: async () => (await import('./commands/humfsify.js')).configureHumfsify,
      },
      {
        name: 'humfs',
        summary: 'show, check, restore, import and export humfs trees',
        writes: ({ repair }, [action]) => action === 'restore' || repair === true,
        actions: humfsActions,
        plainActions: plainHumfsActions,
        load: async () => (await import('./commands/humfs.js')).configureHumfs(allHumfsActions),
      },
    ],
  },
  { title: 'Replace the tools of uml-utilities', verbs: toolVerbs },
  {
    title: 'Help',
    verbs: [
      {
        name: 'help',
        summary: 'print help for a verb',
        writes: false,
        load: async () => (await import('./commands/help.js')).configureHelp,
      },
      {
        name: 'completion',
        summary: 'print a script that completes command lines in bash, zsh or fish',
        writes: false,
        load: async () => (await import('./commands/completion.js')).configureCompletion(verbGroups),
      },
    ],
  },
]

export function findVerb(name: string): Verb | undefined {
  return verbGroups.flatMap(({ verbs }) => verbs).find((verb) => verb.name === name)
}

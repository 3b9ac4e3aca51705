import { localTreeReader } from '../../src/trees/host/tree-reader.js'

// Unit tests make thousands of runs over trees, and each would start getfattr. The trees have no extended attributes, so
// the search finds none here. Tests of attributes give a reader of their own; the command and the peers use getfattr.
localTreeReader.findAttributes = async () => 'complete'

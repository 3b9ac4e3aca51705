/** What a user of a cluster is. L2 tables and data may have several users, for snapshots; other tables one only. */
export type UserKind = 'table' | 'l2' | 'data'

/** Receives what a walk finds. */
export interface ReferenceVisitor {
  /** Some bytes of the file have a user. They may begin and end inside clusters. */
  uses(offset: number, length: number, kind: UserKind): void
  /** An entry of the active tables: an L2 table or a standard cluster. @param copied  its flag "the refcount is 1" */
  copied(offset: number, copied: boolean, guestOffset: number): Promise<void> | undefined
  /** A cluster of the virtual disk that the file stores. @param isCompressed  its bytes need no cluster of their own */
  guestCluster(offset: number, isCompressed: boolean): void
}

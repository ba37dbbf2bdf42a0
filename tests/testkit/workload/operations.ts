import { foundEmpire, placeOrder } from './colony.ts';
import type { UserOperation } from './event-writer.ts';
import { editFreight } from './freight.ts';
import { editNote } from './notes.ts';
import { editResource } from './resources.ts';
import { createTill } from './tickets.ts';

/**
 * Random operations of one device's user, on all bundled kinds.
 *
 * @param isFirst whether the user creates the empire that the tenant's other users need
 */
export function createUserOperations(isFirst: boolean): UserOperation {
  const till = createTill();
  const operations = [editNote, editNote, editNote, editFreight, editFreight, editResource, till];
  let hasEmpire = !isFirst;
  return (writer) => {
    if (!hasEmpire) {
      hasEmpire = true;
      return foundEmpire(writer);
    }
    return writer.random.pick([...operations, placeOrder])(writer);
  };
}

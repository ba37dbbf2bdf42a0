import { foundEmpire, orderSomething } from './colony.ts';
import type { Deed } from './author.ts';
import { editFreight } from './freight.ts';
import { editNote } from './notes.ts';
import { editResource } from './resources.ts';
import { createTill } from './tickets.ts';

/** What one device's user does, one thing after the other, in all bundled kinds. */
export function createDeeds(isFirst: boolean): Deed {
  const till = createTill();
  const deeds = [editNote, editNote, editNote, editFreight, editFreight, editResource, till];
  let founded = !isFirst;
  return (author) => {
    if (!founded) {
      founded = true;
      return foundEmpire(author);
    }
    return author.random.pick([...deeds, orderSomething])(author);
  };
}

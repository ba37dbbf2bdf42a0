import { type DemoDevice, openDevice } from './device.ts';
import type { DemoService } from './demo-service.ts';
import { areEqual, formatTable, type Parties } from './table.ts';

export type Say = (line: string) => void;

const listLength = 120;
const twoHours = 120;

const put = (noteId: string, title: string, body: string) => ({
  kind: 'note.put',
  payload: { noteId, title, body },
});
const patch = (noteId: string, fields: { title?: string; body?: string }) => ({
  kind: 'note.patch',
  payload: { noteId, ...fields },
});
const remove = (noteId: string) => ({ kind: 'note.remove', payload: { noteId } });

const firstNotes = [
  put('groceries', 'Groceries', 'milk'),
  put('trip', 'Trip', 'by train'),
  put('draft', 'Draft', 'to be deleted?'),
  put('recipe', 'Recipe', 'soup'),
];

/** @param withKill the stage's own service is killed on the way. @returns whether all ended with the same notes */
export async function tellStory(
  stage: DemoService,
  tenant: string,
  withKill: boolean,
  say: Say,
): Promise<boolean> {
  const laptop = await openDevice(stage, tenant, 'laptop');
  const phone = await openDevice(stage, tenant, 'phone', twoHours);
  try {
    await writeFirstNotes(laptop, phone, say);
    editOffline(laptop, phone, say);
    await comeBack(laptop, phone, say);
    if (withKill && stage.ownService) await killService(stage.ownService, laptop, say);
    for (const device of [laptop, phone]) await device.catchUp();
    return await compare(stage, tenant, [laptop, phone], say);
  } finally {
    await Promise.all([laptop.close(), phone.close()]);
  }
}

async function writeFirstNotes(laptop: DemoDevice, phone: DemoDevice, say: Say): Promise<void> {
  say('\n1. Online. The laptop writes four notes, the phone pulls them.');
  for (const note of firstNotes) laptop.edit(180, note);
  say(`   laptop   pushes: ${await laptop.catchUp()}`);
  await phone.catchUp();
  say(`   phone    pulls:  ${phone.notes().size} notes`);
}

function editOffline(laptop: DemoDevice, phone: DemoDevice, say: Say): void {
  say("\n2. Both go offline and go on editing. (The phone's clock is two hours fast.)");
  laptop.network.refuseConnections();
  phone.network.refuseConnections();
  const edit = (
    device: DemoDevice,
    ago: number,
    what: ReturnType<typeof remove>,
    words: string,
  ) => {
    device.edit(ago, what);
    say(`   ${device.name.padEnd(6)}   ${ago} min ago   ${words}`);
  };
  edit(laptop, 50, patch('groceries', { body: 'milk, bread' }), 'groceries: milk, bread');
  edit(laptop, 48, patch('trip', { title: 'Trip to Lisbon' }), 'trip: a new title');
  edit(laptop, 45, remove('draft'), 'draft: deleted');
  edit(
    phone,
    40,
    patch('groceries', { body: 'milk, eggs' }),
    'groceries: milk, eggs   (newer: wins)',
  );
  edit(
    phone,
    35,
    patch('trip', { body: 'by plane' }),
    'trip: a new body   (another field: both stay)',
  );
  edit(phone, 30, patch('draft', { body: 'worth keeping' }), 'draft: edited   (newer: it lives)');
  edit(phone, 25, patch('recipe', { body: 'stew' }), 'recipe: edited');
  edit(laptop, 20, remove('recipe'), 'recipe: deleted   (newer: it goes)');
  edit(laptop, 15, put('laptop-only', 'From the laptop', 'hello'), 'laptop-only: a new note');
  edit(phone, 10, put('phone-only', 'From the phone', 'hello'), 'phone-only: a new note');
}

async function comeBack(laptop: DemoDevice, phone: DemoDevice, say: Say): Promise<void> {
  say('\n3. Back online. The phone first.');
  phone.network.acceptConnections();
  say(`   phone    pushes: ${await phone.catchUp()}`);

  say('\n4. The laptop follows, and its connection breaks before the answer is there.');
  laptop.network.acceptConnections();
  const waiting = laptop.countEvents('pending');
  const lost = laptop.network.loseAnswerTo('POST ');
  await laptop.outbox.sync().catch((error: Error) => say(`   laptop   pushes: ${error.message}`));
  await lost;
  say(`   laptop   keeps its ${waiting} edits: it cannot know whether they arrived`);
  say(`   laptop   pushes them again: ${await laptop.catchUp()}; nothing happened twice`);
}

async function killService(
  service: NonNullable<DemoService['ownService']>,
  laptop: DemoDevice,
  say: Say,
): Promise<void> {
  say(`\n5. The laptop pushes ${listLength} more notes, and the service is killed meanwhile.`);
  for (let i = 1; i <= listLength; i += 1) laptop.edit(0, put(`list-${i}`, `Item ${i}`, 'to do'));
  const killed = secondPost(laptop).then(() => service.kill());
  await laptop.outbox.sync().catch((error: Error) => say(`   laptop   pushes: ${error.message}`));
  await killed;
  const left = laptop.countEvents('pending');
  say(`   service  killed (SIGKILL); ${listLength - left} notes answered, ${left} not`);
  await service.restart();
  say('   service  back on the same port and data');
  say(`   laptop   pushes: ${await laptop.catchUp()}`);
}

async function secondPost({ network }: DemoDevice): Promise<void> {
  await network.whenForwarded('POST ');
  await network.whenForwarded('POST ');
}

/** The service's own notes are what a device pulls that was never seen before. */
async function compare(
  stage: DemoService,
  tenant: string,
  [laptop, phone]: readonly [DemoDevice, DemoDevice],
  say: Say,
): Promise<boolean> {
  const fresh = await openDevice(stage, tenant, 'fresh');
  try {
    await fresh.catchUp();
    const parties: Parties = {
      laptop: laptop.notes(),
      phone: phone.notes(),
      server: fresh.notes(),
    };
    say(
      `\n${formatTable(
        parties,
        firstNotes.map(({ payload }) => payload.noteId),
      )}\n`,
    );
    const failed = laptop.countEvents('failed') + phone.countEvents('failed');
    const equal = areEqual(parties) && failed === 0;
    say(equal ? 'All three are equal.' : `NOT equal. ${failed} edits failed.`);
    return equal;
  } finally {
    await fresh.close();
  }
}

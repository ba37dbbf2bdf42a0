import type { Author, Deed } from './author.ts';

const locations = ['A00:01:01:01', 'A00:01:01:02', 'A00:01:01:03', 'A00:01:01:04'];
const orders = [
  ['structure.build', 'metal-refinery'],
  ['structure.build', 'solar-plant'],
  ['research.queue', 'energy'],
  ['research.queue', 'laser'],
  ['unit.train', 'fighter'],
  ['unit.train', 'scout'],
] as const;

/** What the game's server says before anybody plays: an empire with credits and its locations. */
export const foundEmpire: Deed = (author) => [
  putEmpire(author, 1_000),
  ...locations.map((locationCoord) => {
    const location = { entityType: 'location', entityId: locationCoord };
    return author.write(location, 'location.put', { locationCoord, empireId: 'e1' });
  }),
];

/** Orders that compete for one empire's credits, which the game's server tops up by what it read. */
export const orderSomething: Deed = (author) => {
  const { random } = author;
  const empire = author.find('empire', 'e1');
  if (empire && random.chance(0.1)) {
    const credits = Number(empire.data?.credits ?? 0) + 400;
    return [putEmpire(author, credits, { baseVersion: empire.version })];
  }
  const [kind, catalogKey] = random.pick(orders);
  const locationCoord = random.pick(locations);
  const quantity = kind === 'unit.train' ? { quantity: random.int(1, 3) } : {};
  const payload = { empireId: 'e1', locationCoord, catalogKey, ...quantity };
  const entityId = `${locationCoord}/${kind.split('.')[0]}/${catalogKey}`;
  return [author.write({ entityType: 'queue-item', entityId }, kind, payload, author.when())];
};

function putEmpire(author: Author, credits: number, rest: object = {}) {
  const empire = { entityType: 'empire', entityId: 'e1' };
  return author.write(empire, 'empire.put', { empireId: 'e1', credits }, rest);
}

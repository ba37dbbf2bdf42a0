import type { EventWriter, UserOperation } from './event-writer.ts';

const locations = ['A00:01:01:01', 'A00:01:01:02', 'A00:01:01:03', 'A00:01:01:04'];
const orders = [
  ['structure.build', 'metal-refinery'],
  ['structure.build', 'solar-plant'],
  ['research.queue', 'energy'],
  ['research.queue', 'laser'],
  ['unit.train', 'fighter'],
  ['unit.train', 'scout'],
] as const;

/** Creates the empire with its credits and locations, as the game's server does before anybody plays. */
export const foundEmpire: UserOperation = (writer) => [
  putEmpire(writer, 1_000),
  ...locations.map((locationCoord) => {
    const location = { entityType: 'location', entityId: locationCoord };
    return writer.write(location, 'location.put', { locationCoord, empireId: 'e1' });
  }),
];

/** Places an order, which competes for the empire's credits. Sometimes adds credits, as the game's server does. */
export const placeOrder: UserOperation = (writer) => {
  const { random } = writer;
  const empire = writer.findRecord('empire', 'e1');
  if (empire && random.chance(0.1)) {
    const credits = Number(empire.data?.credits ?? 0) + 400;
    return [putEmpire(writer, credits, { baseVersion: empire.version })];
  }
  const [kind, catalogKey] = random.pick(orders);
  const locationCoord = random.pick(locations);
  const quantity = kind === 'unit.train' ? { quantity: random.int(1, 3) } : {};
  const payload = { empireId: 'e1', locationCoord, catalogKey, ...quantity };
  const entityId = `${locationCoord}/${kind.split('.')[0]}/${catalogKey}`;
  const item = { entityType: 'queue-item', entityId };
  return [writer.write(item, kind, payload, writer.occurrence())];
};

function putEmpire(writer: EventWriter, credits: number, rest: object = {}) {
  const empire = { entityType: 'empire', entityId: 'e1' };
  return writer.write(empire, 'empire.put', { empireId: 'e1', credits }, rest);
}

import type { Random } from './random.ts';
import { basePrecondition, type UserOperation } from './event-writer.ts';

const types = {
  shipment: (random: Random) => ({
    origin: random.pick(['Hamburg', 'Gdynia', 'Rotterdam']),
    destination: random.pick(['Oslo', 'Turku', 'Riga']),
    status: random.pick(['planned', 'picked-up', 'in-transit', 'delivered']),
    weightGrams: random.int(1, 90_000),
  }),
  quote: (random: Random) => ({
    amountCents: random.int(1, 900_000),
    currency: random.pick(['EUR', 'NOK']),
    status: random.pick(['draft', 'sent', 'accepted']),
  }),
  invoice: (random: Random) => ({
    amountCents: random.int(1, 900_000),
    currency: 'EUR',
    status: random.pick(['draft', 'issued', 'paid']),
    dueOn: random.pick(['2026-11-30', '2026-12-31', null]),
  }),
} as const;

/** Creates or edits a record that several desktops have open. Most edits state a base, and many conflict. */
export const editFreight: UserOperation = (writer) => {
  const { random } = writer;
  const entityType = random.pick(Object.keys(types) as (keyof typeof types)[]);
  const entityId = `${entityType}-${random.int(1, 30)}`;
  const entity = { entityType, entityId };
  const idField = { [`${entityType}Id`]: entityId };
  const fields = { customer: `customer ${random.int(1, 9)}`, ...types[entityType](random) };
  const isNew =
    !writer.findRecord(entityType, entityId) && !writer.lastIdentityKey(entityType, entityId);
  if (isNew || random.chance(0.03)) {
    return [
      writer.write(entity, `${entityType}.create`, { ...idField, ...fields }, writer.occurrence()),
    ];
  }
  const names = random.shuffled(Object.keys(fields)).slice(0, random.int(1, 2));
  const some = Object.fromEntries(names.map((name) => [name, fields[name as keyof typeof fields]]));
  const rest = { ...writer.occurrence(), ...basePrecondition(writer, entity) };
  return [writer.write(entity, `${entityType}.update`, { ...idField, ...some }, rest)];
};

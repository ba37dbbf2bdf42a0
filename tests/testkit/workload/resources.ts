import { basePrecondition, type UserOperation } from './event-writer.ts';

/** Edits a till's resource on the version that the till knows. The kind merges two edits of one customer. */
export const editResource: UserOperation = (writer) => {
  const { random } = writer;
  const resourceType = random.pick(['Customer', 'Customer', 'Sales Invoice']);
  const resourceId = `r${random.int(1, 12)}`;
  const entity = { entityType: 'resource', entityId: `${resourceType}/${resourceId}` };
  const { baseVersion, ...baseKey } = { baseVersion: 0, ...basePrecondition(writer, entity) };
  const reference = { resourceType, resourceId, resourceVersion: baseVersion };
  const rest = { ...writer.occurrence(), ...baseKey };
  if (random.chance(0.1)) return [writer.write(entity, 'resource.remove', reference, rest)];
  const phones = [`+47 ${random.int(100, 120)}`, `+48 ${random.int(100, 120)}`];
  const data =
    resourceType === 'Customer'
      ? { name: `Kari ${random.int(1, 9)}`, phones, ...(random.chance(0.5) && { city: 'Oslo' }) }
      : { total: random.int(1, 999), open: random.chance(0.5), lines: [{ sku: 'a', n: 1 }] };
  return [writer.write(entity, 'resource.put', { ...reference, data }, rest)];
};

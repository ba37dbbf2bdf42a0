/** One text for each entity, which people can read too. */
export function entityKeyOf({ entityType, entityId }: { entityType: string; entityId: string }) {
  return `${entityType} ${entityId}`;
}

import { duration } from './schemas.ts';
import { optionalSetting, setting } from './setting.ts';

export const retentionSettings = {
  tombstoneMs: setting({
    variable: 'TOMBSTONE_RETENTION',
    schema: duration,
    default: '90d',
    unit: 'duration',
    summary: 'How long the tombstones of deleted records are kept.',
    details:
      'The clean-up purges older tombstones: see [Retention](operations.md#retention). Choose a time that ' +
      'is longer than any device stays away.',
  }),
  eventMs: optionalSetting({
    variable: 'EVENT_RETENTION',
    schema: duration,
    whenUnset: null,
    example: '365d',
    unit: 'duration',
    summary: 'How long stored events keep their payload.',
    details:
      'The clean-up removes the payload of older events. Without it they keep their payload for ever.',
  }),
  intervalMs: setting({
    variable: 'RETENTION_INTERVAL',
    schema: duration,
    default: '1h',
    unit: 'duration',
    summary: 'The time between two passes of the clean-up.',
  }),
};

import { expect, test } from 'vitest';
import type { Kept } from '../../testkit/tcp-proxy.ts';
import {
  entranceOf,
  isCommitOfPush,
  nameOf,
  rehearse,
  scenarios,
  statementAt,
} from '../scenarios.ts';
import { newDatabase, newProxy, newService } from '../stage.ts';

test.each(scenarios)(
  'fault 4: kill -9 at each statement of $name stores all of it or nothing',
  async (scenario) => {
    const databaseUrl = await newDatabase();
    const network = await newProxy(databaseUrl);
    let service = await newService(network.url);
    const stage = { databaseUrl, at: entranceOf(() => service) };
    const { statements, stores } = await rehearse(scenario, stage, network);

    /** @returns how many events that stored */
    async function killAt(kept: () => Promise<Kept>): Promise<number> {
      const act = await scenario.prepare(stage);
      const before = await act.stored();
      const there = kept();
      const asked = act.ask();
      const statement = await there;
      await service.kill();
      statement.cut();
      expect(await asked).toMatchObject({ outcome: 'unknown', status: 0 });
      const after = await act.stored();
      service = await newService(network.url);
      await act.finish();
      expect(await act.stored()).toBe(before + stores);
      await act.tenant.expectNothingLost();
      return after - before;
    }

    const stored: string[] = [];
    for (const [index, statement] of statements.entries()) {
      const count = await killAt(() => network.stopAt(statementAt(statements, index)));
      if (count > 0) stored.push(`${count} before ${nameOf(statement)}`);
    }
    expect(stored).toEqual([]);
    expect(await killAt(() => network.keepAnswerTo(isCommitOfPush))).toBe(stores);
  },
  300_000,
);

import type { CheckPage, DifferenceView } from '../../shared/api/check.ts';
import { isDamagedDatabase } from '../../shared/errors/damaged-database.ts';
import type { Client } from '../lib/client.ts';
import { type Connection, connectToNamed } from '../lib/connect.ts';
import type { Context } from '../lib/context.ts';
import { printable } from '../lib/output.ts';
import { alignColumns } from '../lib/table.ts';

/** Exit status when something differs; documented in docs/cli.md. */
const DIFFERS = 1;

/** `caliban admin check`: prints differences as they are found, so that memory does not grow with them. */
export async function run(ctx: Context): Promise<number> {
  await using connection = await openedOrDamaged(ctx);
  const pages =
    'damage' in connection
      ? onePage(connection.damage)
      : pagesOf(connection.client, ctx.options.isSet('layers'));
  const total = ctx.json ? await printJson(ctx, pages) : await printText(ctx, pages);
  return total === 0 ? 0 : DIFFERS;
}

// A database that is too damaged to be opened is found damaged: nothing else of it can be checked.
async function openedOrDamaged(ctx: Context): Promise<Connection | Damaged> {
  try {
    return await connectToNamed(ctx);
  } catch (error) {
    if (!isDamagedDatabase(error)) throw error;
    const damage: DifferenceView = {
      kind: 'database',
      subject: `file ${String(error.context?.['path'])}`,
      ids: {},
      found: error.message,
      expected: 'a database that can be opened',
      fix: error.hint ?? '',
    };
    return { damage, [Symbol.asyncDispose]: async () => {} };
  }
}

interface Damaged extends AsyncDisposable {
  readonly damage: DifferenceView;
}

async function* onePage(difference: DifferenceView): AsyncGenerator<CheckPage> {
  yield { differences: [difference], looked: {}, next: null };
}

async function* pagesOf(client: Client, layers: boolean): AsyncGenerator<CheckPage> {
  let cursor: string | undefined;
  do {
    const page = await client.check({ cursor, layers });
    yield page;
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
}

async function printText({ out }: Context, pages: AsyncIterable<CheckPage>): Promise<number> {
  const looked: Record<string, number> = {};
  let total = 0;
  for await (const page of pages) {
    add(looked, page.looked);
    total += page.differences.length;
    for (const difference of page.differences) {
      await out.raw(`${linesOf(difference).map(printable).join('\n')}\n\n`);
    }
  }
  const things = Object.entries(looked).map(([name, count]) => `${count} ${name}`);
  await out.line(`checked ${things.length === 0 ? 'nothing more' : things.join(', ')}`);
  await out.line(
    total === 0 ? 'nothing differs' : `${total} ${total === 1 ? 'differs' : 'differ'}`,
  );
  return total;
}

function linesOf({ kind, subject, found, expected, fix }: DifferenceView): string[] {
  const rows = [
    ['found', found],
    ['expected', expected],
    ['do', fix],
  ];
  return [`${kind}: ${subject}`, ...alignColumns(rows, { indent: 2 })];
}

async function printJson({ out }: Context, pages: AsyncIterable<CheckPage>): Promise<number> {
  const looked: Record<string, number> = {};
  let total = 0;
  await out.raw('{"differences":[');
  for await (const page of pages) {
    add(looked, page.looked);
    for (const difference of page.differences) {
      await out.raw(`${total === 0 ? '\n' : ',\n'}${JSON.stringify(difference)}`);
      total++;
    }
  }
  await out.raw(`\n],"looked":${JSON.stringify(looked)}}\n`);
  return total;
}

function add(sums: Record<string, number>, counts: CheckPage['looked']): void {
  for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
}

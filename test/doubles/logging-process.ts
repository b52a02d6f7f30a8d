import { openServiceLog } from '../../functions/embedded/service-log.ts';

// Logs one line and ends badly, or waits to be killed.
const [path = '', end] = process.argv.slice(2);
openServiceLog({ path }).info({}, 'last words');
if (end === 'throws') throw new Error('a defect');
setInterval(() => undefined, 60_000);

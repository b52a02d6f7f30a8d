/** An instant as local date and time to the second: `2026-11-22 09:05:00`. */
export function localTime(instant: Date): string {
  const [year, ...rest] = [
    instant.getFullYear(),
    instant.getMonth() + 1,
    instant.getDate(),
    instant.getHours(),
    instant.getMinutes(),
    instant.getSeconds(),
  ];
  const [month, day, ...clock] = rest.map((value) => String(value).padStart(2, '0'));
  return `${year}-${month}-${day} ${clock.join(':')}`;
}

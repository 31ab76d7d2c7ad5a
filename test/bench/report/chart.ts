import type { BenchDocument, CaseResult } from '#test/bench/report/document.ts';

const WIDTH = 900;
const [PLOT_LEFT, PLOT_RIGHT] = [250, 800];
const [TOP, ROW, BAR, STORE_GAP] = [96, 30, 9, 2];

/** How many times as fast as the bare library each case is, as bars beside a line at 1, with a mark at each target. */
export function inSvg({ cases, machine, measuredAt }: BenchDocument): string {
  const names = [...new Set(cases.filter(({ bare }) => bare !== null).map(({ name }) => name))];
  const rows = names.map((name) => cases.filter((each) => each.name === name));
  const longest = Math.max(
    2,
    ...cases.map(toBare),
    ...cases.map(({ target, against }) => (against === 'bare' ? (target ?? 0) : 0)),
  );
  const x = (ratio: number) => PLOT_LEFT + (Math.min(ratio, longest) / longest) * (PLOT_RIGHT - PLOT_LEFT);
  const height = TOP + rows.length * ROW + 24;
  const drawn = rows.flatMap((row, index) => rowOf(row, TOP + index * ROW, x));
  const about = `${machine.processor}, Node ${machine.node}, ${measuredAt.slice(0, 10)}. Keyturn is durable and sealed, the bare library keeps all in memory.`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Operations per processor second, as multiples of the bare library's">
<style>${STYLE}</style>
<rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="10"/>
<text class="title" x="24" y="36">Operations per processor second, next to the bare library</text>
<text class="muted" x="24" y="58">${escaped(about)}</text>
<rect class="sqlite" x="24" y="70" width="10" height="10"/><text class="small" x="40" y="79">SQLite</text>
<rect class="redis" x="100" y="70" width="10" height="10"/><text class="small" x="116" y="79">Redis</text>
<line class="target" x1="181" x2="181" y1="68" y2="82"/><text class="small" x="188" y="79">target</text>
${upright('one', x(1), TOP - 6, height - 18)}
<text class="small muted middle" x="${round(x(1))}" y="${height - 6}">the bare library</text>
${drawn.join('\n')}
</svg>
`;
}

/** Of a case that there is at the bare library. */
const toBare = ({ bare }: CaseResult) => bare?.ratio ?? 0;

function rowOf(row: readonly CaseResult[], top: number, x: (ratio: number) => number): readonly string[] {
  const [first] = row;
  if (first === undefined) return [];
  const middle = top + ROW / 2;
  const target = row.find(({ against }) => against === 'bare')?.target ?? null;
  const bars = row.map((each, index) => {
    const y = middle + (index - row.length / 2) * (BAR + STORE_GAP) + STORE_GAP / 2;
    const ratio = toBare(each);
    const end = x(ratio);
    const title = `<title>${escaped(`${each.about}; ${Math.round(each.perCpuSecond)} per processor second`)}</title>`;
    return (
      `<rect class="${each.store}" x="${PLOT_LEFT}" y="${round(y)}" width="${round(end - PLOT_LEFT)}" height="${BAR}" rx="2">${title}</rect>` +
      `<text class="small" x="${round(end + 6)}" y="${round(y + BAR - 1)}">${ratio.toFixed(2)}</text>`
    );
  });
  return [
    `<text class="end" x="${PLOT_LEFT - 12}" y="${round(middle + 4)}">${escaped(first.name)}</text>`,
    ...bars,
    ...(target === null ? [] : [upright('target', x(target), top + 2, top + ROW - 2)]),
  ];
}

const upright = (kind: string, x: number, from: number, to: number) =>
  `<line class="${kind}" x1="${round(x)}" x2="${round(x)}" y1="${round(from)}" y2="${round(to)}"/>`;

/** As many digits as can be seen. */
const round = (value: number) => String(Math.round(value * 10) / 10);

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

const escaped = (text: string) => text.replace(/[&<>"]/g, (sign) => ENTITIES[sign] ?? sign);

const STYLE = `
svg{--card:#fff;--edge:#d9dee5;--ink:#1b2430;--muted:#5d6978;--sqlite:#0f7b6c;--redis:#7aa7dc;--target:#c8323c;color-scheme:light dark}
@media(prefers-color-scheme:dark){svg{--card:#14181e;--edge:#2c343f;--ink:#e6eaf0;--muted:#98a4b3;--sqlite:#35b99f;--redis:#4f82c0;--target:#ff6d73}}
text{font:12px/1 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;fill:var(--ink);font-variant-numeric:tabular-nums}
.card{fill:var(--card);stroke:var(--edge)}.title{font-size:18px;font-weight:650}.small{font-size:10px}.muted{fill:var(--muted)}
.end{text-anchor:end}.middle{text-anchor:middle}.one{stroke:var(--muted);stroke-dasharray:2 3}.target{stroke:var(--target);stroke-width:2}
.sqlite{fill:var(--sqlite)}.redis{fill:var(--redis)}
`;

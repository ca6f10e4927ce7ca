/** The past of one object's golden metrics. */

import { address } from "../api/client";
import { usePoll } from "../api/poll";
import type { History } from "../api/types";
import { count, milliseconds, percent, rate } from "../format";
import { bounds } from "../bounds";
import { everySeconds, session } from "../session";
import { at, now, range } from "../time";
import { Chart } from "./chart";
import { Empty, Polled } from "./states";

interface Props {
  kind: string;
  namespace: string;
  name: string;
}

export function HistoryCharts({ kind, namespace, name }: Props) {
  const step = Math.max(5, everySeconds());
  const present = Math.floor(now.value / step) * step;
  const { from, to } = bounds(at.value, range.value.seconds, present);
  const url = address("/api/history", { kind, namespace, name, from, to });
  const poll = usePoll<History>(url, 0, `${kind}/${namespace}/${name}/${range.value.name}/${at.value ?? ""}`);
  return (
    <Polled poll={poll} what="the past">
      {(found) =>
        found.times.length === 0 ? (
          <Empty title="Nothing is recorded of this time.">
            The dashboard keeps 24 hours from its own start on
            {session.value?.history?.from ? ", and more where Prometheus has it" : ""}. Choose a shorter range, or press Now.
          </Empty>
        ) : (
          <Charts found={found} />
        )
      }
    </Polled>
  );
}

function Charts({ found: { times, series, source } }: { found: History }) {
  const moment = at.value;
  return (
    <>
      <div class="charts">
        <Chart title="Requests per second" times={times} moment={moment} format={rate} lines={[{ title: "requests", values: series.rps, colour: "--accent" }]} />
        <Chart
          title="Success rate"
          times={times}
          moment={moment}
          format={(value) => percent(value, 1)}
          ceiling={1}
          lines={[{ title: "success", values: series.success, colour: "--ok" }]}
        />
        <Chart
          title="Latency"
          times={times}
          moment={moment}
          format={milliseconds}
          lines={[
            { title: "P50", values: series.p50, colour: "--accent" },
            { title: "P95", values: series.p95, colour: "--blue", dash: [6, 3] },
            { title: "P99", values: series.p99, colour: "--warn", dash: [2, 3] },
          ]}
        />
        <Chart title="Open TCP connections" times={times} moment={moment} format={count} lines={[{ title: "connections", values: series.tcp, colour: "--accent" }]} />
      </div>
      <p class="quiet">
        {source === "prometheus" ? "From Prometheus." : "From the dashboard's own store."} Click on a chart to show everything as it was then.
      </p>
    </>
  );
}

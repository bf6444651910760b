import type { Customer, ShownEvent, Sight } from "./customers";

/**
 * Draws what is known of a customer into an element. Everything that comes from
 * outside becomes text, never markup.
 */
export function draw(host: HTMLElement, sight: Sight): void {
  const section = element("section", "");
  section.setAttribute("aria-label", "Customer in Brevo");
  section.style.cssText = "padding: 1rem; overflow-wrap: anywhere; color: inherit; font: inherit;";
  if (sight.kind === "known") {
    section.append(...known(sight.customer));
  } else {
    const status = element("p", words[sight.kind]);
    status.setAttribute("role", "status");
    section.append(status);
  }
  host.replaceChildren(section);
}

const words = {
  loading: "Looking the customer up …",
  nobody: "Nothing is known of this customer yet.",
  failed: "The customer could not be looked up. Open the task again to retry.",
};

function known(customer: Customer): HTMLElement[] {
  const out = [element("h2", customer.name ?? "Customer")];
  const facts = [...customer.fields.map((f) => [f.label, f.value] as const), ...Object.entries(customer.metrics)];
  if (facts.length > 0) {
    const terms = element("dl", "");
    terms.style.cssText = "display: grid; grid-template-columns: auto 1fr; gap: 0.25rem 1rem; margin: 0 0 1rem;";
    for (const [label, value] of facts) {
      const what = element("dd", shown(value));
      what.style.margin = "0";
      terms.append(element("dt", label.replace(/_/g, " ")), what);
    }
    out.push(terms);
  }
  out.push(element("h3", "Last events"));
  if (customer.events.length === 0) {
    out.push(element("p", "None."));
    return out;
  }
  const events = element("ol", "");
  events.style.paddingInlineStart = "1.25rem";
  events.append(...customer.events.map(line));
  out.push(events);
  return out;
}

/** An event: its moment, what it was, and what is known of it. */
function line(event: ShownEvent): HTMLElement {
  const item = element("li", "");
  const when = document.createElement("time");
  when.dateTime = event.at;
  const at = new Date(event.at);
  when.textContent = Number.isNaN(at.getTime()) ? event.at : at.toLocaleString();
  const details = ["channel", "queue", "agent", "outcome", "score"]
    .filter((name) => event[name] !== undefined && event[name] !== "")
    .map((name) => `${name} ${shown(event[name])}`);
  item.append(when, ` ${event.type.replace(/[._]/g, " ")}${details.length > 0 ? ": " : ""}${details.join(", ")}`);
  return item;
}

function shown(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
      return value.toLocaleString(undefined, { maximumFractionDigits: 2 });
    case "boolean":
      return value ? "yes" : "no";
    default:
      return JSON.stringify(value) ?? "";
  }
}

function element(name: string, text: string): HTMLElement {
  const e = document.createElement(name);
  e.textContent = text;
  return e;
}

// Drives the real program with a real browser: `node pages.mjs test`, `node pages.mjs screenshots`.
// RUNNER names the program, CHROMIUM the browser.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const runner = process.env.RUNNER ?? join(root, "target/debug/runner");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const mode = process.argv[2] ?? "test";

// The project, its scheduler with the pages, and a browser.

const project = join(mkdtempSync(join(tmpdir(), "runner-pages-")), "shop");
cpSync(join(here, "project"), project, { recursive: true });
const command = (...args) => {
  const done = spawnSync(runner, ["--project", project, ...args], { encoding: "utf8" });
  return done.stdout + done.stderr;
};

// What is told of failures comes here, as it would to a chat.
const messages = [];
const chat = createServer((request, answer) => {
  let body = "";
  request.on("data", (data) => (body += data));
  request.on("end", () => {
    messages.push(body);
    answer.end();
  });
});
await new Promise((resolve) => chat.listen(0, "127.0.0.1", resolve));
if (mode !== "screenshots") {
  const settings = join(project, "runner.yaml");
  const more = `  chat: { webhook: "http://127.0.0.1:${chat.address().port}/chat" }\nnotifications: { failure: [chat], link: "https://runs.example.org" }\n`;
  writeFileSync(settings, readFileSync(settings, "utf8") + more);
}
async function until(what, holds) {
  for (let left = 200; left > 0; left--) {
    const found = holds();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what} doesn't come`);
}

const daemon = spawn(runner, ["--project", project, "schedule", "--web=127.0.0.1:0", "--log", "json"]);
const link = new Promise((resolve, reject) => {
  let log = "";
  daemon.stderr.on("data", (data) => {
    log += data;
    const found = log.match(/"link":"([^"]+)"/);
    if (found) resolve(found[1]);
  });
  daemon.on("exit", (code) => reject(new Error(`the scheduler ended with ${code}:\n${log}`)));
});
const end = () => {
  daemon.removeAllListeners("exit");
  const ended = new Promise((resolve) => daemon.once("exit", resolve));
  daemon.kill("SIGTERM");
  return ended;
};

let browser;
const steps = [];
async function step(name, what) {
  const from = Date.now();
  await what();
  steps.push(name);
  console.log(`ok ${String(Date.now() - from).padStart(6)} ms  ${name}`);
}

/// No serious problem of accessibility, in both themes: all are told at the end.
const unfit = [];
async function accessible(page) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe);
    const found = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
    const serious = found.violations.filter((one) => ["serious", "critical"].includes(one.impact));
    const told = serious.map((one) => `${one.id}: ${one.help}\n  ${one.nodes.slice(0, 4).map((node) => node.html + "\n    " + node.any.concat(node.all).map((n) => n.message).join("; ")).join("\n  ")}`);
    unfit.push(...told.map((one) => `${page.url()} in ${colorScheme}: ${one}`));
  }
}

async function main() {
  const entrance = await link;
  const origin = new URL(entrance).origin;
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // Its own sandbox needs rights that containers don't give.
    args: ["--no-sandbox"],
  });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, baseURL: origin });
  if (process.env.ASSETS === "source") {
    // No build between two looks at the style.
    const files = join(root, "src/web/asset");
    await context.route("**/asset/*", (route) => route.fulfill({ path: join(files, new URL(route.request().url()).pathname.split("/").pop()) }));
  }
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (told) => {
    if (told.type() === "error" && /Content.Security|Refused/.test(told.text())) wrong.push(told.text());
  });
  const dag = (name) => page.goto(`/dags/${name}`);

  if (mode === "screenshots") {
    await page.goto(entrance);
    await screenshots(context, page);
    return;
  }

  await step("strangers see nothing but the door", async () => {
    await page.goto("/");
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    assert.ok(!(await page.content()).includes("nightly_orders"));
    await accessible(page);
  });
  await step("a link signs in, once", async () => {
    await page.goto(entrance);
    await page.getByRole("heading", { name: "DAGs" }).waitFor();
    const other = await browser.newContext();
    const again = await other.newPage();
    await again.goto(entrance);
    await again.getByRole("button", { name: "Sign in" }).waitFor();
    await other.close();
  });
  await step("home has all DAGs, and the one that is broken", async () => {
    for (const name of ["nightly_orders", "ticker_prices", "model_training", "cleanup"]) {
      await page.locator(`#dag-${name}`).waitFor();
    }
    await page.getByText("pipelines/refunds.yaml is broken").waitFor();
    await page.locator("input[type=search]").fill("market");
    await page.locator("#dag-cleanup").waitFor({ state: "hidden" });
    assert.ok(await page.locator("#dag-ticker_prices").isVisible());
    await page.locator("input[type=search]").fill("");
    await accessible(page);
  });
  await step("keys move and open", async () => {
    await page.locator("h1").click();
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    assert.equal(await page.locator("tr.at").count(), 1);
    await page.keyboard.press("?");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("/");
    assert.equal(await page.evaluate(() => document.activeElement.name), "q");
  });
  await step("the form refuses what doesn't fit, and says why", async () => {
    await page.goto("/dags/nightly_orders/trigger");
    await accessible(page);
    await page.getByLabel("threshold").fill("-1");
    await page.locator("form").last().evaluate((form) => (form.noValidate = true));
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.locator(".wrong").first().waitFor();
  });
  let run;
  await step("a run begins with a parameter, and its graph changes colour without a reload", async () => {
    await page.goto("/dags/nightly_orders/trigger");
    await page.getByLabel("currency").selectOption("mxn");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.waitForURL(/\/runs\/[a-z0-9]+$/);
    run = page.url();
    await page.evaluate(() => (globalThis.loadedOnce = true));
    await page.getByText("mxn").waitFor();
    await page.locator(".node.s-busy").first().waitFor();
    await page.locator(".node.s-ok").first().waitFor();
    await page.locator("#state.s-ok").waitFor({ timeout: 60000 });
    assert.equal(await page.locator(".node.s-ok").count(), 10);
    assert.equal(await page.evaluate(() => globalThis.loadedOnce), true);
    await accessible(page);
  });
  await step("a log grows while one looks", async () => {
    await page.goto("/dags/model_training/trigger");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.waitForURL(/\/runs\/[a-z0-9]+$/);
    run = page.url();
    await page.locator("#tasks .s-busy").first().waitFor();
    await page.goto(`${run}/tasks/train`);
    await page.locator(".log li").nth(5).waitFor();
    const lines = await page.locator(".log li").count();
    await page.locator(".log li").nth(lines + 10).waitFor();
    await accessible(page);
  });
  await step("a run is cancelled, after a question", async () => {
    await page.goto(run);
    await page.locator("summary", { hasText: "Cancel" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.locator("#state.s-end").waitFor();
    await page.getByText("Retry what failed").first().waitFor();
  });
  await step("and retried", async () => {
    await page.locator("summary", { hasText: "Retry" }).click();
    await page.getByRole("button", { name: "Retry what failed" }).click();
    await page.locator("#state.s-busy").waitFor();
    await page.locator("summary", { hasText: "Cancel" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.locator("#state.s-end").waitFor();
  });
  await step("a failure says why, first", async () => {
    await page.goto("/dags/ticker_prices/trigger");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.locator("#state.s-bad").waitFor({ timeout: 30000 });
    await page.getByText("connection refused by api.example.org:443").first().waitFor();
    await page.locator(".note.s-bad a").first().click();
    await page.getByText("Attempt 3").waitFor();
    await page.locator("input[name=find]").fill("refused");
    await page.keyboard.press("Enter");
    await page.locator("mark").first().waitFor();
    await accessible(page);
  });
  await step("what was executed is shown", async () => {
    await page.getByRole("heading", { name: "As executed" }).waitFor();
    await page.locator(".folds .code", { hasText: "echo asking the exchange" }).waitFor();
  });
  await step("a notification's link leads through the door to the run", async () => {
    const told = await until("a message", () => messages.find((one) => one.includes("ticker_prices")));
    const path = told.match(/https:\/\/runs\.example\.org(\/runs\/[a-z0-9]+)/)[1];
    const stranger = await browser.newContext({ baseURL: origin });
    const other = await stranger.newPage();
    await other.goto(path);
    await other.getByRole("button", { name: "Sign in" }).waitFor();
    assert.equal(await other.locator("input[name=next]").first().inputValue(), path);
    await stranger.close();
    await page.goto(path);
    await page.locator("#cause-1 a", { hasText: "fetch" }).waitFor();
  });
  await step("one item that failed is retried alone", async () => {
    await page.goto("/dags/customers/trigger");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.locator("#state.s-bad").waitFor({ timeout: 30000 });
    await page.locator("#cause-1 a", { hasText: "mail[1]" }).click();
    await page.locator("h1", { hasText: "mail[1]" }).waitFor();
    await accessible(page);
    writeFileSync(join(project, "mended"), "");
    await page.locator("summary", { hasText: "Retry this item" }).click();
    await page.getByRole("button", { name: "Retry this item" }).click();
    await page.locator("#state.s-ok").waitFor({ timeout: 30000 });
  });
  await step("a task is run again from its run's page, after a question", async () => {
    await page.locator("summary", { hasText: "One task" }).click();
    await accessible(page);
    await page.locator("details[open] select[name=task]").selectOption("done");
    await page.getByRole("button", { name: "Run again from here" }).click();
    await page.locator("#state.s-ok").waitFor({ timeout: 30000 });
  });
  await step("rows, a picture and the rows that a check found are shown", async () => {
    await page.goto("/dags/sales_report/trigger");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.locator("#state.s-ok").waitFor({ timeout: 30000 });
    const report = page.url();
    await page.goto(`${report}/tasks/revenue/data`);
    await page.getByText("120 rows").first().waitFor();
    await page.getByRole("cell", { name: "2026-07-01" }).first().waitFor();
    await accessible(page);
    await page.goto(`${report}/tasks/audit/data`);
    await page.getByText("range").first().waitFor();
    await accessible(page);
    await page.goto(`${report}/tasks/draw`);
    const picture = page.locator("img[src*=picture]");
    await picture.scrollIntoViewIfNeeded();
    await until("the picture", () => picture.evaluate((one) => one.complete && one.naturalWidth > 600));
    await accessible(page);
  });
  await step("a DAG is paused and let go on", async () => {
    await dag("cleanup");
    await page.locator("summary", { hasText: "Pause" }).click();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.locator(".pill", { hasText: "paused" }).waitFor();
    await page.getByRole("button", { name: "Let it go on" }).click();
    await page.locator("summary", { hasText: "Pause" }).waitFor();
  });
  await step("and from the first page, where it can be undone", async () => {
    await page.goto("/");
    await page.getByRole("switch", { name: "cleanup begins by itself" }).click();
    await page.getByText("cleanup is paused").waitFor();
    await accessible(page);
    await page.getByRole("button", { name: "Undo" }).click();
    await page.locator("#dag-cleanup [aria-checked=true]").waitFor();
  });
  await step("a broken file is shown with its mistakes, and mended without a reload", async () => {
    await page.goto("/dags/refunds/source");
    await page.getByText("unknown key `shel`").waitFor();
    await accessible(page);
    await page.goto("/");
    await page.getByText("refunds.yaml is broken").waitFor();
    const text = "dag: refunds\ntasks:\n  one: { shell: echo }\n";
    writeFileSync(join(project, "pipelines/refunds.yaml"), text);
    await page.locator("#dag-refunds").waitFor();
  });
  await step("editors get the schema", async () => {
    for (const file of ["pipeline.json", "project.json"]) {
      const answer = await page.request.get(`/schema/${file}`);
      assert.ok((await answer.json()).properties, file);
    }
    await page.goto("/about");
    await page.getByText(`$schema=${origin}/schema/pipeline.json`).waitFor();
  });
  await step("a backfill is previewed", async () => {
    await page.goto("/dags/nightly_orders/backfill?from=2026-08-01&to=2026-08-04");
    await page.getByText("3 of 3 intervals begin").waitFor();
    await accessible(page);
  });
  await step("all other pages are well", async () => {
    for (const path of ["/runs", "/schedule", "/connections", "/audit", "/about", "/sessions",
      "/dags/nightly_orders", "/dags/nightly_orders/grid", "/dags/nightly_orders/past", "/dags/nightly_orders/source"]) {
      const answer = await page.goto(path);
      assert.equal(answer.status(), 200, path);
      await accessible(page);
    }
  });
  await step("it is readable without a script, and fits a phone", async () => {
    const plain = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 390, height: 800 }, baseURL: origin, storageState: await context.storageState() });
    const phone = await plain.newPage();
    for (const path of ["/", "/runs", "/dags/nightly_orders", "/dags/nightly_orders/trigger", "/schedule", "/audit"]) {
      const answer = await phone.goto(path);
      assert.equal(answer.status(), 200, path);
    }
    await plain.close();
    await page.setViewportSize({ width: 390, height: 800 });
    for (const path of ["/", "/runs", run, "/dags/nightly_orders", "/schedule"]) {
      await page.goto(path);
      const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= window, `${path} is ${wide} wide`);
    }
  });
  assert.deepEqual(wrong, []);
  assert.deepEqual(unfit, []);
}

async function screenshots(context, page) {
  const folder = join(root, "docs/screenshots");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of ["cleanup", "cleanup", "cleanup", "nightly_orders", "nightly_orders", "sales_report", "ticker_prices"]) command("trigger", name);
  command("trigger", "model_training", "--detach");
  command("trigger", "nightly_orders", "--detach");
  await page.goto("/runs?q=nightly_orders");
  const nightly = await page.locator("a[data-open]").first().getAttribute("href");
  await page.goto("/runs?q=ticker_prices");
  const failed = await page.locator("a[data-open]").first().getAttribute("href");
  await page.goto("/runs?q=sales_report");
  const report = await page.locator("a[data-open]").first().getAttribute("href");
  await page.goto(nightly);
  await page.locator(".node.s-ok").nth(3).waitFor();
  const pages = [
    ["run", nightly], ["home", "/"], ["task", `${failed}/tasks/fetch`], ["sql", `${report}/tasks/revenue`],
    ["data", `${report}/tasks/revenue/data`], ["check", `${report}/tasks/audit`], ["picture", `${report}/tasks/draw`], ["dag", "/dags/nightly_orders"],
    ["grid", "/dags/nightly_orders/grid"], ["past", "/dags/nightly_orders/past"], ["source", "/dags/refunds/source"],
    ["trigger", "/dags/nightly_orders/trigger"], ["backfill", "/dags/nightly_orders/backfill?from=2026-08-01&to=2026-08-08"],
    ["runs", "/runs"], ["schedule", "/schedule"], ["connections", "/connections"], ["audit", "/audit"], ["about", "/about"], ["sessions", "/sessions"],
  ];
  for (const [name, path] of pages) {
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.goto(path);
      await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) });
    }
  }
  // The door, as a stranger sees it.
  const stranger = await page.context().browser().newContext({ viewport: { width: 1280, height: 800 }, baseURL: new URL(page.url()).origin });
  const door = await stranger.newPage();
  for (const colorScheme of ["light", "dark"]) {
    await door.emulateMedia({ colorScheme });
    await door.goto("/");
    await door.screenshot({ path: join(folder, `door-${colorScheme}.png`) });
  }
  await stranger.close();
  await page.setViewportSize({ width: 390, height: 800 });
  for (const [name, path] of pages.slice(0, 2)) {
    await page.goto(path);
    await page.screenshot({ path: join(folder, `${name}-phone.png`) });
  }
  console.log(`docs/screenshots has ${pages.length * 2 + 4} pictures`);
}

let failed = false;
try {
  await main();
} catch (error) {
  failed = true;
  console.error(error, unfit.join("\n"));
} finally {
  await browser?.close();
  await end();
  chat.close();
  rmSync(dirname(project), { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;

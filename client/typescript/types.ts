// What hotbook's REST and WebSocket ask, answer and tell. Made by scripts/typescript from
// openapi.json: change nothing here.

/** A decimal number in digits, "1.25750000": read it with a decimal library, never as a float. */
export type Decimal = string;

/** A time in UTC, "2026-03-01T14:30:00.000Z". */
export type Time = string;

/**
 * The risk of a campaign has come near its limit, or gone back; without a campaign_id that of
 * all of a hotkey's.
 */
export interface Alert {
  revision: number;
  hotkey: string;
  campaign_id: string | null;
  level: "NORMAL" | "WARNING" | "CRITICAL";
  risk: Decimal;
  /** 0 with NORMAL: it has none any more. */
  limit: Decimal;
  at: Time;
}

/** A plan of one hotkey on one trade pair; its legs are positions. */
export interface Campaign {
  campaign_id: string;
  hotkey: string;
  trade_pair: string;
  state: CampaignState;
  range_id: string | null;
  phase: string | null;
  timeframe: string | null;
  started_at: Time;
  /** FORMING and ACTIVE fail strictly after it. */
  deadline: Time;
  last_activity_at: Time;
  last_pattern_at: Time | null;
  pattern_count: number;
  support: Decimal | null;
  resistance: Decimal | null;
  account_size: Decimal | null;
  risk_limit: Decimal | null;
  allocation: Decimal | null;
  exit_price: Decimal | null;
  ended_at: Time | null;
  exit_reason: ExitReason;
  failure_reason: string | null;
  version: number;
  revision: number;
  updated_at: Time;
}

export interface CampaignAnswer {
  revision: number;
  campaign: CampaignInFull;
  totals: CampaignTotals;
}

/** A campaign with its patterns, in order of time. */
export interface CampaignInFull {
  campaign_id: string;
  hotkey: string;
  trade_pair: string;
  state: CampaignState;
  range_id: string | null;
  phase: string | null;
  timeframe: string | null;
  started_at: Time;
  /** FORMING and ACTIVE fail strictly after it. */
  deadline: Time;
  last_activity_at: Time;
  last_pattern_at: Time | null;
  pattern_count: number;
  support: Decimal | null;
  resistance: Decimal | null;
  account_size: Decimal | null;
  risk_limit: Decimal | null;
  allocation: Decimal | null;
  exit_price: Decimal | null;
  ended_at: Time | null;
  exit_reason: ExitReason;
  failure_reason: string | null;
  version: number;
  revision: number;
  updated_at: Time;
  patterns: Pattern[];
}

/** In order of creation. A page may be shorter than asked; the last one has no token. */
export interface CampaignPage {
  revision: number;
  campaigns: CampaignWithTotals[];
  next_page_token: string | null;
}

/** A campaign's legs, the open ones first, each kind by open time; the totals are of all. */
export interface CampaignPositions {
  revision: number;
  campaign_version: number;
  totals: CampaignTotals;
  positions: Position[];
  page: number;
  page_count: number;
  position_count: number;
}

export interface CampaignRemoved {
  /** Give it back as `from`, to go on from here. */
  number: number;
  /** Give it back with the number. */
  history: string;
  type: "campaign_removed";
  campaign_id: string;
}

export type CampaignState = "FORMING" | "ACTIVE" | "DORMANT" | "COMPLETED" | "FAILED";

/** Counts and results. A result of exactly 0 is neither won nor lost: it is even. */
export interface CampaignStatistics {
  revision: number;
  total: number;
  by_state: Record<CampaignState, number>;
  by_exit_reason: Record<ExitReason, number>;
  won: number;
  lost: number;
  even: number;
  /** Completed, of all that have ended. */
  success_rate: Decimal;
  /** Won, of won and lost. */
  win_rate: Decimal;
  total_result: Decimal;
  mean_result: Decimal;
  median_result: Decimal;
  best_result: Decimal;
  worst_result: Decimal;
}

/**
 * What a campaign's legs amount to, each figure with 8 decimals.
 *
 * Shares, average entry and risk are of open legs. An open leg counts by the pair's mark, unless
 * that is older than the leg, or there is none: then it stands at its entry.
 */
export interface CampaignTotals {
  campaign_id: string;
  total_shares: Decimal;
  weighted_avg_entry: Decimal;
  total_risk: Decimal;
  total_pnl: Decimal;
  open_pnl: Decimal;
  realized_pnl: Decimal;
  open_count: number;
  closed_count: number;
  mark: Decimal | null;
  marked_at: Time | null;
}

/** A campaign, its legs or their mark have changed: its totals now, all of them. */
export interface CampaignUpdated {
  /** Give it back as `from`, to go on from here. */
  number: number;
  /** Give it back with the number. */
  history: string;
  type: "campaign_updated";
  campaign_id: string;
  campaign: Campaign;
  totals: CampaignTotals;
}

export interface CampaignWithTotals {
  campaign: Campaign;
  totals: CampaignTotals;
}

/** How safe an acknowledged change is. */
export type Durability = "fsync" | "relaxed" | "memory";

export type ExecutionType = "MARKET" | "LIMIT" | "BRACKET" | "LIMIT_CANCEL";

/** Why a campaign was completed. */
export type ExitReason = "UNKNOWN" | "TARGET_HIT" | "STOP_OUT" | "TIME_EXIT" | "PHASE_E" | "MANUAL_EXIT";

/** Nothing more has happened up to this number. */
export interface Heartbeat {
  /** Give it back as `from`, to go on from here. */
  number: number;
  /** Give it back with the number. */
  history: string;
  type: "heartbeat";
}

export interface HotkeyCounts {
  hotkey: string;
  positions: number;
  open_positions: number;
}

/** In alphabetical order. */
export interface HotkeyPage {
  revision: number;
  hotkeys: HotkeyCounts[];
  next_page_token: string | null;
}

/** Why the server closes the connection. */
export interface LiveError {
  /** Give it back as `from`, to go on from here. */
  number: number;
  /** Give it back with the number. */
  history: string;
  type: "error";
  code: string;
  message: string;
  details: Record<string, string>;
}

export type LiveMessage = CampaignUpdated | CampaignRemoved | MarkMoved | RiskAlert | Reload | Heartbeat | LiveError;

/**
 * The first message, from the client. Each of the three that is named narrows what is followed;
 * none of them: every campaign.
 */
export interface LiveSubscription {
  campaigns?: string[];
  hotkeys?: string[];
  trade_pairs?: string[];
  /** The last number that was told; absent: everything comes first. */
  from?: number;
  /** What came with that number: shows that it is of this very history. */
  history?: string;
}

/** The price of a trade pair. */
export interface Mark {
  trade_pair: string;
  price: Decimal;
  at: Time;
  last_volume: Decimal | null;
  /** With a volume, so far. */
  bars: number;
  revision: number;
}

export interface MarkMoved {
  /** Give it back as `from`, to go on from here. */
  number: number;
  /** Give it back with the number. */
  history: string;
  type: "mark";
  mark: Mark;
}

/** Trade pairs at one revision and one generation of the market. */
export interface MarketAnswer {
  revision: number;
  generation: number;
  step_at: Time;
  pairs: PairMarket[];
}

/** One fill inside a position. */
export interface Order {
  order_uuid: string;
  type: Side;
  processed_at: Time;
  leverage: Decimal | null;
  quantity: Decimal | null;
  value: Decimal | null;
  price: Decimal;
  bid: Decimal;
  ask: Decimal;
  slippage: Decimal;
  quote_usd_rate: Decimal;
  usd_base_rate: Decimal;
  limit_price: Decimal | null;
  stop_loss: Decimal | null;
  take_profit: Decimal | null;
  execution_type: ExecutionType;
  source: OrderSource;
  price_sources: PriceSource[];
  extra: Record<string, unknown>;
}

/** Where an order came from. */
export type OrderSource = "ORGANIC" | "ELIMINATION_FLAT" | "DEPRECATION_FLAT" | "PRICE_FILLED_ELIMINATION_FLAT" | "MAX_ORDERS_CLOSE" | "LIMIT_UNFILLED" | "LIMIT_FILLED" | "LIMIT_CANCELLED" | "BRACKET_UNFILLED" | "BRACKET_FILLED" | "BRACKET_CANCELLED";

export interface PairAnswer {
  revision: number;
  generation: number;
  step_at: Time;
  pair: PairMarket;
}

/** What is known of one trade pair. */
export interface PairMarket {
  trade_pair: string;
  price: Decimal | null;
  at: Time | null;
  /** By the server's clock. */
  age_ms: number | null;
  /** It has data at the current step. */
  is_fresh: boolean;
  average_volume: Decimal;
  last_volume: Decimal | null;
  /** That the average is made of. */
  bars: number;
  /** Those are as many as the window has. */
  is_ready: boolean;
  volume_level: VolumeLevel;
}

/** What a detector saw. */
export interface Pattern {
  signal_id: string;
  type: PatternType;
  at: Time;
  price: Decimal;
  support: Decimal | null;
  resistance: Decimal | null;
  volume_ratio: Decimal | null;
  extra: Record<string, unknown>;
}

/** What a campaign's leg was opened on. */
export type PatternType = "SPRING" | "AR" | "SOS" | "LPS";

/** One holding of one hotkey in one trade pair; with a campaign_id it is a campaign's leg. */
export interface Position {
  hotkey: string;
  position_uuid: string;
  trade_pair: string;
  is_open: boolean;
  side: Side | null;
  opened_at: Time;
  closed_at: Time | null;
  orders: Order[];
  account_size: Decimal;
  quantity: Decimal;
  net_quantity: Decimal;
  net_leverage: Decimal;
  net_value: Decimal;
  average_entry_price: Decimal;
  cumulative_entry_value: Decimal;
  realized_pnl: Decimal;
  unrealized_pnl: Decimal;
  current_return: Decimal;
  return_at_close: Decimal;
  stop_loss: Decimal | null;
  exit_price: Decimal | null;
  campaign_id: string | null;
  pattern_type: PatternType | null;
  signal_id: string | null;
  timeframe: string | null;
  version: number;
  revision: number;
  updated_at: Time;
  extra: Record<string, unknown>;
}

export interface PositionAnswer {
  revision: number;
  position: Position;
}

/** The closed ones by close time, then the open ones by open time; all pages of one revision. */
export interface PositionPage {
  revision: number;
  positions: Position[];
  next_page_token: string | null;
}

/** One quote or candle that an order's price was taken from. */
export interface PriceSource {
  source: string;
  timespan_ms: number;
  open: Decimal | null;
  close: Decimal | null;
  vwap: Decimal | null;
  high: Decimal | null;
  low: Decimal | null;
  started_at: Time;
  websocket: boolean;
  lag_ms: number;
  bid: Decimal | null;
  ask: Decimal | null;
  extra: Record<string, unknown>;
}

/** Why a request was refused. Codes are stable; messages may be worded better at any time. */
export interface Problem {
  code: string;
  message: string;
  details: Record<string, string>;
}

/** Forget what you had: everything as it stands follows, and then a number above 0. */
export interface Reload {
  /** Give it back as `from`, to go on from here. */
  number: number;
  /** Give it back with the number. */
  history: string;
  type: "reload";
}

export interface RiskAlert {
  /** Give it back as `from`, to go on from here. */
  number: number;
  /** Give it back with the number. */
  history: string;
  type: "alert";
  alert: Alert;
}

/** A position's side, and an order's type. */
export type Side = "LONG" | "SHORT" | "FLAT";

/** What the server is, holds and does. Its settings are told by gRPC alone. */
export interface StatusAnswer {
  revision: number;
  server_version: string;
  book_id: string;
  state: string;
  durability: Durability;
  positions: number;
  open_positions: number;
  hotkeys: number;
  campaigns: number;
  live_campaigns: number;
  marks: number;
  quarantined: number;
  digest: string;
  now: Time;
  queue_depth: number;
  /** The server that this one follows. */
  leader: string | null;
  /** How old its book may be, where it follows another. */
  lag_ms: number;
}

/** How the newest volume compares with the average; UNKNOWN where that is not ready, or zero. */
export type VolumeLevel = "UNKNOWN" | "LOW" | "NORMAL" | "HIGH";

/** Campaigns and their totals, in order of creation, page by page. */
export interface ListCampaignsParameters {
  /** Only these; none: all. */
  state?: CampaignState[];
  /** Only FORMING and ACTIVE. */
  live?: boolean;
  hotkey?: string;
  trade_pair?: string;
  /** Most of a page; a setting bounds it. */
  page_size?: number;
  /** `next_page_token` of the page before; filters repeat. */
  page_token?: string;
}

export type ListCampaignsAnswer = CampaignPage;

/** One campaign with its patterns, and its totals. */
export interface GetCampaignParameters {
  campaign_id: string;
}

export type GetCampaignAnswer = CampaignAnswer;

/** A campaign's legs, page by page, and the totals of all of them, of one revision. */
export interface ListCampaignPositionsParameters {
  campaign_id: string;
  /** The closed ones too. */
  include_closed?: boolean;
  /** From 1. */
  page?: number;
  /** Most of a page; a setting bounds it. */
  page_size?: number;
  /** Of the campaign; another is refused. */
  expected_version?: number;
  /** The campaign's version that is expected, as ETag had it. */
  "if-match"?: string;
}

export type ListCampaignPositionsAnswer = CampaignPositions;

/** What campaigns have come to: all of them, or those of a hotkey, a pair, or both. */
export interface GetStatisticsParameters {
  hotkey?: string;
  trade_pair?: string;
}

export type GetStatisticsAnswer = CampaignStatistics;

/** Every hotkey that has positions, with its counts, page by page. */
export interface ListHotkeysParameters {
  /** Most of a page; a setting bounds it. */
  page_size?: number;
  /** `next_page_token` of the page before; filters repeat. */
  page_token?: string;
}

export type ListHotkeysAnswer = HotkeyPage;

/** A hotkey's positions, page by page; none where the hotkey has none. */
export interface ListPositionsParameters {
  hotkey: string;
  /** Most of a page; a setting bounds it. */
  page_size?: number;
  /** `next_page_token` of the page before; filters repeat. */
  page_token?: string;
  /** Without the closed ones. */
  open_only?: boolean;
}

export type ListPositionsAnswer = PositionPage;

/** The open position of a hotkey on a trade pair; legs of campaigns aside. */
export interface GetOpenPositionParameters {
  hotkey: string;
  trade_pair: string;
}

export type GetOpenPositionAnswer = PositionAnswer;

/** One position by its uuid; another hotkey's is as absent as one that is not there. */
export interface GetPositionParameters {
  hotkey: string;
  position_uuid: string;
}

export type GetPositionAnswer = PositionAnswer;

/** Every trade pair that has a mark: its price and age, whether it is fresh, its volume. */
export interface GetMarketParameters {
  /** Its pair alone, with the volume of the bars since its range last changed. */
  campaign_id?: string;
}

export type GetMarketAnswer = MarketAnswer;

/** One trade pair. */
export interface GetPairParameters {
  trade_pair: string;
}

export type GetPairAnswer = PairAnswer;

/** What the server is, holds and does. Settings and telemetry are told by gRPC alone. */
export interface GetStatusParameters {
}

export type GetStatusAnswer = StatusAnswer;

/** Every operation by its name: where it is, what it takes, what it answers. */
export interface Operations {
  list_campaigns: {
    path: "/api/v1/campaigns";
    parameters: ListCampaignsParameters;
    answer: ListCampaignsAnswer;
  };
  get_campaign: {
    path: "/api/v1/campaigns/{campaign_id}";
    parameters: GetCampaignParameters;
    answer: GetCampaignAnswer;
  };
  list_campaign_positions: {
    path: "/api/v1/campaigns/{campaign_id}/positions";
    parameters: ListCampaignPositionsParameters;
    answer: ListCampaignPositionsAnswer;
  };
  get_statistics: {
    path: "/api/v1/statistics";
    parameters: GetStatisticsParameters;
    answer: GetStatisticsAnswer;
  };
  list_hotkeys: {
    path: "/api/v1/hotkeys";
    parameters: ListHotkeysParameters;
    answer: ListHotkeysAnswer;
  };
  list_positions: {
    path: "/api/v1/hotkeys/{hotkey}/positions";
    parameters: ListPositionsParameters;
    answer: ListPositionsAnswer;
  };
  get_open_position: {
    path: "/api/v1/hotkeys/{hotkey}/positions/open/{trade_pair}";
    parameters: GetOpenPositionParameters;
    answer: GetOpenPositionAnswer;
  };
  get_position: {
    path: "/api/v1/positions/{hotkey}/{position_uuid}";
    parameters: GetPositionParameters;
    answer: GetPositionAnswer;
  };
  get_market: {
    path: "/api/v1/market";
    parameters: GetMarketParameters;
    answer: GetMarketAnswer;
  };
  get_pair: {
    path: "/api/v1/market/{trade_pair}";
    parameters: GetPairParameters;
    answer: GetPairAnswer;
  };
  get_status: {
    path: "/api/v1/status";
    parameters: GetStatusParameters;
    answer: GetStatusAnswer;
  };
}

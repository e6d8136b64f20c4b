"""What the page says, in English and Chinese; an English phrase is its own key."""

from __future__ import annotations

from collections.abc import Mapping

from probe.page.model.states import State

PHRASES: Mapping[str, str] = {
    "skip to the content": "跳到正文",
    "Overview": "总览",
    "as of": "截至",
    "complete up to": "数据完整至",
    "unknown": "未知",
    "clock": "时钟",
    "vouched for by the kernel": "由内核确认",
    "vouched for by dates of others": "由其他主机的日期确认",
    "vouched for by nobody": "无人确认",
    "no trouble of the agent's own": "监测器自身无故障",
    "Trouble of the agent's own": "监测器自身的故障",
    "This page is no longer fed: what it shows is as old as it says.": "本页已停止更新:所示内容以上述时间为准。",
    "Nothing of this was measured since": "此后没有新的测量",
    "times in": "时间所属时区",
    "your zone": "您的时区",
    "pause refreshing": "暂停刷新",
    "refreshed every": "自动刷新间隔",
    "signed in as": "登录身份",
    "Sign out": "退出",
    "Sign in": "登录",
    "Token": "令牌",
    "The token that `cdn-probe token NAME` made. It is sent once, and kept nowhere.": "由 `cdn-probe token NAME`"
    " 生成的令牌。只发送一次,不在任何地方保存。",
    "I have signed in already: go on": "我已登录:继续",
    "Too many tries: wait a minute.": "尝试次数过多:请稍候一分钟。",
    "This token is not known here.": "此令牌无效。",
    "This token may not look at results.": "此令牌无权查看结果。",
    "Open incidents": "进行中的事件",
    "No incident is open.": "没有进行中的事件。",
    "Incidents that are over": "已结束的事件",
    "none": "无",
    "Domains": "域名",
    "Show domains with": "筛选域名",
    "only those with trouble": "只看异常",
    "Show": "显示",
    "No domain is so called.": "没有这样的域名。",
    "Nothing was measured yet.": "还没有任何测量。",
    "now": "当前",
    "from": "监测点",
    "node": "节点",
    "Vantage points": "监测点",
    "Nodes": "节点",
    "nodes more, on the domain's page": "个节点,见域名页",
    "all of this domain": "该域名的全部",
    "times, nodes, certificate": "时间、节点、证书",
    "page": "页",
    "of": "/",
    "next page": "下一页",
    "previous page": "上一页",
    "Legend": "图例",
    "half height: less than half of the requests": "半高:不到一半的请求",
    "declared beforehand (excluded)": "事先申报(不计入)",
    "availability": "可用率",
    "literal": "字面",
    "shown": "已证明",
    "bounds": "上下界",
    "not decided": "未能判定",
    "99.9 % kept": "达到 99.9 %",
    "below 99.9 %, shown": "低于 99.9 %,已证明",
    "Availability is that of": "可用率按",
    "five-minute grains with more than 0.05 % errors by the CDN's fault, in runs of ten minutes or longer: by the"
    " literal count, as far as chance does not explain it, and between the best and the worst that may have been. What"
    " an agreement says is computed by `cdn-probe sla report`.": "五分钟粒度计算:因 CDN 责任的错误率超过 0.05 %"
    " 且持续十分钟以上;分别为字面计数、排除偶然性之后、最好与最坏之间。具体合同的结论由 `cdn-probe sla report` 计算。",
    "24 hours": "24 小时",
    "7 days": "7 天",
    "30 days": "30 天",
    "requests": "请求",
    "slots missed": "时隙未测",
    "columns": "列",
    "nothing was due": "无应测",
    "open": "进行中",
    "over": "已结束",
    "since": "自",
    "not confirmed": "未经复核",
    "fails": "失败",
    "is stale": "内容陈旧",
    "is slow": "变慢",
    "seen by": "发现者",
    "of vantage points": "个监测点",
    "rows": "记录",
    "lasted at least": "至少持续",
    "and at most": "至多",
    "the fault of the CDN": "责任方:CDN",
    "the fault of the origin": "责任方:源站",
    "the fault of the customer": "责任方:客户",
    "a fault of the path": "责任方:网络路径",
    "by our own line": "我方线路",
    "by our own host": "我方主机",
    "and nobody can say by whose fault": "责任方未能判定",
    "within a declared exclusion": "处于申报的免责时段内",
    "The line of vantage point": "监测点线路",
    "is down": "中断",
}

STATES: Mapping[State, tuple[str, str]] = {
    State.OK: ("ok", "正常"),
    State.PARTLY: ("ok, partly unknown", "正常,部分未知"),
    State.SLOW: ("slow", "慢"),
    State.STALE: ("stale", "陈旧"),
    State.FAILED_CDN: ("failed: CDN", "失败:CDN"),
    State.FAILED_PATH: ("failed: path", "失败:网络路径"),
    State.FAILED_CUSTOMER: ("failed: customer", "失败:客户"),
    State.FAILED_ORIGIN: ("failed: origin", "失败:源站"),
    State.FAILED_UNKNOWN: ("failed: fault unknown", "失败:责任未明"),
    State.FAILED_VANTAGE: ("failed: our line", "失败:我方线路"),
    State.FAILED_AGENT: ("failed: our host", "失败:我方主机"),
    State.INCONCLUSIVE: ("inconclusive", "未能判定"),
    State.MISSED: ("not measured", "未测"),
    State.NONE: ("no data", "无数据"),
}


class Tongue:
    """Says phrases in one language: `en` or `zh`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.zh = language == "zh"

    def __call__(self, phrase: str) -> str:
        """A phrase of the list, by its English words."""
        return PHRASES[phrase] if self.zh else phrase

    def state(self, state: State) -> str:
        """A state in words."""
        return STATES[state][self.zh]

    @property
    def stop(self) -> str:
        """What ends a sentence."""
        return "。" if self.zh else "."

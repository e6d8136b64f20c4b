"""What the page says, in English and Chinese; an English phrase is its own key."""

from __future__ import annotations

from collections.abc import Mapping

from probe.core.results.concerns import Concern
from probe.page.look.concerns import CHINESE, ENGLISH, in_chinese
from probe.page.look.reasons import meaning
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
    "This page is no longer fed: what it shows is as old as it says.": "本页已停止更新：所示内容以上述时间为准。",
    "Nothing of this was measured since": "此后没有新的测量",
    "times in": "时间所属时区",
    "your zone": "您的时区",
    "pause refreshing": "暂停刷新",
    "refreshed every": "自动刷新间隔",
    "signed in as": "登录身份",
    "Sign out": "退出",
    "Sign in": "登录",
    "Incident": "事件",
    "Timeline": "经过",
    "seen well for the last time before": "此前最后一次正常",
    "first row that shows it": "首条异常记录",
    "confirmed": "复核确认",
    "last row that shows it": "最近一条异常记录",
    "seen well again by": "恢复正常于",
    "closed": "关闭",
    "Around it": "前后情况",
    "Nodes and vantage points": "节点与监测点",
    "requests within the incident: in trouble, of all": "事件期间的请求：异常数/总数",
    "rows that show it": "相关记录",
    "row": "记录",
    "due": "应测时间",
    "HTTP version": "HTTP 版本",
    "HTTP/1.1": "HTTP/1.1",
    "HTTP/2": "HTTP/2",
    "HTTP/3": "HTTP/3",
    "HTTP/2 or HTTP/1.1": "HTTP/2 或 HTTP/1.1",
    "object": "对象",
    "verdict": "结论",
    "in words": "说明",
    "Times": "响应时间",
    "first byte": "首包",
    "name look-up": "域名解析",
    "TCP": "TCP",
    "TLS": "TLS",
    "waiting": "等待",
    "transfer": "传输",
    "region and carrier": "地区与运营商",
    "share": "占比",
    "well": "正常率",
    "Certificate": "证书",
    "issued by": "签发者",
    "names": "名称",
    "valid until": "有效期至",
    "expired": "已过期",
    "seen until": "最近出现",
    "seen from": "首次出现",
    "nodes that served it last": "最近提供此版本的节点",
    "Versions of the objects": "对象版本",
    "relation": "与源站的关系",
    "behind": "落后",
    "nodes that served something else last": "最近提供其他内容的节点",
    "seen": "发现于",
    "at least": "至少",
    "at most": "至多",
    "Propagation": "更新传播",
    "How long a new version took to a node": "新版本到达节点所需时间",
    "reason": "原因",
    "yes": "是",
    "no": "否",
    "evidence": "证据包",
    "dispute file": "争议文件",
    "to download": "下载",
    "why": "用途",
    "address": "地址",
    "reply": "响应",
    "whole": "总时长",
    "Requests in their order": "全部请求(按先后)",
    "check": "检查",
    "fault": "责任",
    "request": "请求",
    "Findings": "发现",
    "Where the name leads": "域名指向",
    "through proxy": "经由代理",
    "field": "字段",
    "value": "值",
    "Head fields": "响应头字段",
    "subject": "主体",
    "Request as sent": "发出的请求",
    "Head as received": "收到的响应头",
    "First bytes of the body": "正文开头",
    "Bytes that differ from the origin's": "与源站不同的字节",
    "edge": "边缘",
    "origin": "源站",
    "first byte that differs": "首个不同字节",
    "Token": "令牌",
    "The token that `cdn-probe token NAME` made. It is sent once, and kept nowhere.": "由 `cdn-probe token NAME`"
    " 生成的令牌。只发送一次，不在任何地方保存。",
    "I have signed in already: go on": "我已登录：继续",
    "Too many tries: wait a minute.": "尝试次数过多：请稍候一分钟。",
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
    "Vantage points, nodes and HTTP versions are shown since": "监测点、节点与 HTTP 版本的显示始于",
    "nodes more, on the domain's page": "个节点，见域名页",
    "all of this domain": "该域名的全部",
    "times, nodes, certificate": "时间、节点、证书",
    "page": "页",
    "of": "/",
    "next page": "下一页",
    "previous page": "上一页",
    "Legend": "图例",
    "half height: less than half of the requests": "半高：不到一半的请求",
    "declared beforehand (excluded)": "事先申报(不计入)",
    "availability": "可用率",
    "literal": "字面",
    "shown": "已证明",
    "bounds": "上下界",
    "not decided": "未能判定",
    "99.9 % kept": "达到 99.9 %",
    "below 99.9 %, shown": "低于 99.9 %，已证明",
    "Availability is that of": "可用率按",
    "five-minute grains with more than 0.05 % errors by the CDN's fault, in runs of ten minutes or longer: by the"
    " literal count, as far as chance does not explain it, and between the best and the worst that may have been. What"
    " an agreement says is computed by `cdn-probe sla report`.": "五分钟粒度计算：因 CDN 责任的错误率超过 0.05 %"
    " 且持续十分钟以上；分别为字面计数、排除偶然性之后、最好与最坏之间。具体合同的结论由 `cdn-probe sla report` 计算。",
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
    "the fault of the CDN": "责任方：CDN",
    "the fault of the origin": "责任方：源站",
    "the fault of the customer": "责任方：客户",
    "a fault of the path": "责任方：网络路径",
    "by our own line": "我方线路",
    "by our own host": "我方主机",
    "and nobody can say by whose fault": "责任方未能判定",
    "within a declared exclusion": "处于申报的免责时段内",
    "The line of vantage point": "监测点线路",
    "is down": "中断",
    "does not serve us": "异常",
    "nobody else is accused": "不指责其他任何一方",
    "newest row": "最近一条记录",
    "not allowed to this token or this form": "此令牌或此表单无此权限",
    "nothing here that this token may see": "此处没有此令牌可见的内容",
    "this path takes another method": "此路径不接受这种请求方法",
    "asked too often: the page comes back by itself": "请求过于频繁：本页会自行恢复",
    "the server made a mistake; its log says which": "服务器出错；详见其日志",
    "not to be had at this moment: try again a little later": "此刻无法取得：请稍后再试",
}

STATES: Mapping[State, tuple[str, str]] = {
    State.OK: ("ok", "正常"),
    State.PARTLY: ("ok, partly unknown", "正常，部分未知"),
    State.SLOW: ("slow", "慢"),
    State.STALE: ("stale", "陈旧"),
    State.FAILED_CDN: ("failed: CDN", "失败：CDN"),
    State.FAILED_PATH: ("failed: path", "失败：网络路径"),
    State.FAILED_CUSTOMER: ("failed: customer", "失败：客户"),
    State.FAILED_ORIGIN: ("failed: origin", "失败：源站"),
    State.FAILED_UNKNOWN: ("failed: fault unknown", "失败：责任未明"),
    State.FAILED_VANTAGE: ("failed: our line", "失败：我方线路"),
    State.FAILED_AGENT: ("failed: our host", "失败：我方主机"),
    State.INCONCLUSIVE: ("inconclusive", "未能判定"),
    State.MISSED: ("not measured", "未测"),
    State.NONE: ("no data", "无数据"),
}

# Words of closed lists that rows carry.
TERMS: Mapping[str, str] = {
    "ok": "正常",
    "slow": "慢",
    "stale": "陈旧",
    "failed": "失败",
    "inconclusive": "未能判定",
    "cdn": "CDN",
    "origin": "源站",
    "customer": "客户",
    "path": "网络路径",
    "vantage": "我方线路",
    "agent": "我方主机",
    "unknown": "未能判定",
    "edge": "边缘",
    "confirm": "复核",
    "sweep": "其他节点",
    "anchor": "锚点",
    "redirect": "跳转",
    "check": "检查",
    "control": "对照",
    "elsewhere": "另一途径",
    "equal": "一致",
    "older": "旧版本",
    "unknown_version": "源站从未有过",
    "unseen_version": "源站未见过",
    "origin_changing": "源站变更中",
    "unverified": "未比对",
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

    def concern(self, one: Concern) -> str:
        """What is wrong with who measures."""
        values = dict(one.values)
        if not self.zh:
            return ENGLISH[one.kind].format(**values)
        if "problem" in values:
            values["problem"] = in_chinese(values["problem"])
        return CHINESE[one.kind].format(**values)

    def reason(self, code: str) -> str | None:
        """What a reason says, where a row's own sentence does not say it in this language."""
        return meaning(code) if self.zh else None

    def term(self, word: str) -> str:
        """A word of a closed list, such as a role or an outcome; one that is not known stays as it is."""
        return TERMS.get(word, word) if self.zh else word

    @property
    def stop(self) -> str:
        """What ends a sentence."""
        return "。" if self.zh else "."

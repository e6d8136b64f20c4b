"""What is wrong with who measures, in English and Chinese: what `status` says too, and what only the page knows."""

from __future__ import annotations

from collections.abc import Mapping

from probe.core.results.concerns import SENTENCES

ENGLISH: Mapping[str, str] = {
    **SENTENCES,
    "silent": "the agent does not answer: nothing new is measured",
    "unstored": "it cannot store what it measures",
    "not_measuring": "it does not measure at this moment",
    "unread": "the page is still being made of what was stored before: parts are missing",
}
CHINESE: Mapping[str, str] = {
    "stopping": "正在停止：进行中的测量会完成，不再开始新的测量",
    "starting": "正在启动，尚未开始测量",
    "unwritten": "结果无法写入：{problem}；{count} 条记录在等待",
    "interference": "{problem}。请查明是谁所为，然后重新启动监测器",
    "lost": "启动以来因空间不足丢失 {count} 条记录；每次丢失均有记录",
    "disk": "结果所在磁盘仅剩 {mib} MiB：请腾出空间，或设置 keep.size",
    "late": "时隙开始晚了 {seconds} 秒（第 99 百分位）：任务超出本机能力，见 docs/performance.md",
    "stood_still": "最近一分钟内监测器自身停顿了 {seconds} 秒",
    "worker": "工作进程 {number} 未在测量：{problem}；它会自动重新开始",
    "line": "监测点 {name}：{problem}",
    "offline": "监测点 {name} 的 IPv{version} 线路自 {since} 起离线",
    "behind": "{customer} 的结果只完整到 {until}，即 {minutes} 分钟之前",
    "clock": "本机时钟未同步：每条记录都会注明；请启动 NTP 客户端",
    "job": "{name} 上次运行未全部完成：{problem}；它会自动重试",
    "configuration": "未生效：{problem}",
    "silent": "监测器没有应答：没有新的测量",
    "unstored": "监测器无法存储所测结果",
    "not_measuring": "监测器此刻没有在测量",
    "unread": "本页仍在读取先前存储的结果：部分内容尚缺",
}
# What systems and the store say, as it stands within their words; what is not here is shown as it was met.
PROBLEMS: Mapping[str, str] = {
    "No space left on device": "磁盘已满",
    "database or disk is full": "磁盘已满",
    "Disk quota exceeded": "超出磁盘配额",
    "disk I/O error": "磁盘读写错误",
    "Input/output error": "磁盘读写错误",
    "Read-only file system": "文件系统只读",
    "attempt to write a readonly database": "文件只读",
    "unable to open database file": "无法打开文件",
    "Permission denied": "没有权限",
    "Connection refused": "连接被拒绝",
    "Connection reset by peer": "连接被重置",
    "Network is unreachable": "网络不可达",
    "No route to host": "没有到主机的路由",
    "Too many open files": "打开的文件过多",
    "Cannot allocate memory": "内存不足",
    "the disk has not answered for": "磁盘无应答已有",
    "did not answer in time": "未及时应答",
}


def in_chinese(problem: str) -> str:
    """As far as its words are known."""
    for known, said in PROBLEMS.items():
        problem = problem.replace(known, said)
    return problem

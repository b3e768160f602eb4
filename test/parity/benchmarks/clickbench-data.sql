-- # The table of ClickBench with rows of our own.
CREATE TABLE hits (
  WatchID BIGINT NOT NULL, JavaEnable SMALLINT NOT NULL, Title TEXT NOT NULL, GoodEvent SMALLINT NOT NULL, EventTime TIMESTAMP NOT NULL,
  EventDate Date NOT NULL, CounterID INTEGER NOT NULL, ClientIP INTEGER NOT NULL, RegionID INTEGER NOT NULL, UserID BIGINT NOT NULL,
  CounterClass SMALLINT NOT NULL, OS SMALLINT NOT NULL, UserAgent SMALLINT NOT NULL, URL TEXT NOT NULL, Referer TEXT NOT NULL,
  IsRefresh SMALLINT NOT NULL, RefererCategoryID SMALLINT NOT NULL, RefererRegionID INTEGER NOT NULL, URLCategoryID SMALLINT NOT NULL,
  URLRegionID INTEGER NOT NULL, ResolutionWidth SMALLINT NOT NULL, ResolutionHeight SMALLINT NOT NULL, ResolutionDepth SMALLINT NOT NULL,
  FlashMajor SMALLINT NOT NULL, FlashMinor SMALLINT NOT NULL, FlashMinor2 TEXT NOT NULL, NetMajor SMALLINT NOT NULL, NetMinor SMALLINT NOT NULL,
  UserAgentMajor SMALLINT NOT NULL, UserAgentMinor VARCHAR(255) NOT NULL, CookieEnable SMALLINT NOT NULL, JavascriptEnable SMALLINT NOT NULL,
  IsMobile SMALLINT NOT NULL, MobilePhone SMALLINT NOT NULL, MobilePhoneModel TEXT NOT NULL, Params TEXT NOT NULL, IPNetworkID INTEGER NOT NULL,
  TraficSourceID SMALLINT NOT NULL, SearchEngineID SMALLINT NOT NULL, SearchPhrase TEXT NOT NULL, AdvEngineID SMALLINT NOT NULL,
  IsArtifical SMALLINT NOT NULL, WindowClientWidth SMALLINT NOT NULL, WindowClientHeight SMALLINT NOT NULL, ClientTimeZone SMALLINT NOT NULL,
  ClientEventTime TIMESTAMP NOT NULL, SilverlightVersion1 SMALLINT NOT NULL, SilverlightVersion2 SMALLINT NOT NULL,
  SilverlightVersion3 INTEGER NOT NULL, SilverlightVersion4 SMALLINT NOT NULL, PageCharset TEXT NOT NULL, CodeVersion INTEGER NOT NULL,
  IsLink SMALLINT NOT NULL, IsDownload SMALLINT NOT NULL, IsNotBounce SMALLINT NOT NULL, FUniqID BIGINT NOT NULL, OriginalURL TEXT NOT NULL,
  HID INTEGER NOT NULL, IsOldCounter SMALLINT NOT NULL, IsEvent SMALLINT NOT NULL, IsParameter SMALLINT NOT NULL, DontCountHits SMALLINT NOT NULL,
  WithHash SMALLINT NOT NULL, HitColor CHAR NOT NULL, LocalEventTime TIMESTAMP NOT NULL, Age SMALLINT NOT NULL, Sex SMALLINT NOT NULL,
  Income SMALLINT NOT NULL, Interests SMALLINT NOT NULL, Robotness SMALLINT NOT NULL, RemoteIP INTEGER NOT NULL, WindowName INTEGER NOT NULL,
  OpenerName INTEGER NOT NULL, HistoryLength SMALLINT NOT NULL, BrowserLanguage TEXT NOT NULL, BrowserCountry TEXT NOT NULL,
  SocialNetwork TEXT NOT NULL, SocialAction TEXT NOT NULL, HTTPError SMALLINT NOT NULL, SendTiming INTEGER NOT NULL, DNSTiming INTEGER NOT NULL,
  ConnectTiming INTEGER NOT NULL, ResponseStartTiming INTEGER NOT NULL, ResponseEndTiming INTEGER NOT NULL, FetchTiming INTEGER NOT NULL,
  SocialSourceNetworkID SMALLINT NOT NULL, SocialSourcePage TEXT NOT NULL, ParamPrice BIGINT NOT NULL, ParamOrderID TEXT NOT NULL,
  ParamCurrency TEXT NOT NULL, ParamCurrencyID SMALLINT NOT NULL, OpenstatServiceName TEXT NOT NULL, OpenstatCampaignID TEXT NOT NULL,
  OpenstatAdID TEXT NOT NULL, OpenstatSourceID TEXT NOT NULL, UTMSource TEXT NOT NULL, UTMMedium TEXT NOT NULL, UTMCampaign TEXT NOT NULL,
  UTMContent TEXT NOT NULL, UTMTerm TEXT NOT NULL, FromTag TEXT NOT NULL, HasGCLID SMALLINT NOT NULL, RefererHash BIGINT NOT NULL,
  URLHash BIGINT NOT NULL, CLID INTEGER NOT NULL);

INSERT INTO hits SELECT
  7000000000000000000 + i * 977, {100}, '{Google|Яндекс|news|}' || '{ search| maps|} {30}', 0, t, t::date, CASE WHEN {3} = 0 THEN 62 ELSE {40} END,
  {700} - 300, {30}, CASE {200} WHEN 0 THEN 435090932899640449 ELSE ({90} * {90}) * 1000003 END, {100}, {100}, 0,
  '{http://google.com/|https://www.google.de/x|http://example.org/|}' || '{a|b|c|d} {40}',
  '{http://www.site.ru/|https://site.ru/|http://other.net/|}' || '{p|q|}{30}', (2 * {10} / 19), {100}, {100}, 0, {100}, 800 + 16 * {60}, 600 + {60},
  {100}, {100}, 0, '', {100}, 0, {100}, '', 0, {100}, {100}, {5}, '{iPhone|iPad|N95|||}', '', 0, {8} - 1, {4},
  '{cats|dogs|straße|ZEBRA|auto|||}' || '{ buy| free|}', ({30} / 20) * {9}, {100}, 1000 + {12}, 500 + {12}, {100}, t, {100}, {100}, 0, {100}, '', 0,
  {2}, {8} / 7, 0, {100}, '', 0, {100}, {100}, 0, {6} / 5, {100}, '{D|E|}', t, {100}, 0, {100}, {100}, 0, {100}, {100}, 0, {100}, '', '', '', '', 0,
  {100}, {100}, 0, {100}, {100}, 0, {100}, '', 0, '', '', 0, '', '', '', '', '', '', '', '', '', '', {100},
  CASE {3} WHEN 0 THEN 3594120000172545465 ELSE {1000} END, CASE {3} WHEN 0 THEN 2868770270353813622 ELSE {1000} END, {100}
  FROM (SELECT i, TIMESTAMP '2013-07-01' + {1300000} * INTERVAL '2 seconds' AS t FROM generate_series(1, 6000) AS i) AS x;

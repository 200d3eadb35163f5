// OnlineLanguage
